/* openapi_schema.h - field tables as JSON Schema (2020-12, as OpenAPI 3.1 uses it).
 * Threads: any. */
#ifndef AW_API_OPENAPI_SCHEMA_H
#define AW_API_OPENAPI_SCHEMA_H

#include "worker/base/json.h"

void aw_openapi_field(struct aw_json *json, const struct aw_field *field);
/* {"$ref"} to a reply, and to a request body (which has other required members). */
void aw_openapi_ref(struct aw_json *json, const struct aw_schema *schema);
void aw_openapi_input_ref(struct aw_json *json, const struct aw_schema *schema);
void aw_openapi_problem_ref(struct aw_json *json);
/* An array, or a page. */
void aw_openapi_list(struct aw_json *json, const struct aw_schema *schema);
/* The members of both. */
void aw_openapi_joined(struct aw_json *json, const struct aw_schema *schema,
                       const struct aw_schema *more);
/* "components" with every schema that the routes name. */
void aw_openapi_components(struct aw_json *json);

#endif
