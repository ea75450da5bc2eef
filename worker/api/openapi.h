/* openapi.h - the description of the API (OpenAPI 3.1.0), out of the route table and the field tables.
 * Threads: any. */
#ifndef AW_API_OPENAPI_H
#define AW_API_OPENAPI_H

#include "worker/base/str.h"

void aw_openapi_print(struct aw_str *out);

#endif
