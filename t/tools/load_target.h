/* load_target.h - whom the load tool writes to, and the deliveries it makes up: random but
 * repeatable by seed. Threads: one. Owner: what is read lives in the arena, a delivery until
 * load_delivery_free(). */
#ifndef AW_LOAD_TARGET_H
#define AW_LOAD_TARGET_H

#include <netinet/in.h>

#include "src/aw_mac.h"
#include "worker/base/arena.h"

struct company {
    const char *id, *api_key, *secret;
    const char **assets;
    size_t asset_count;
    struct aw_mac_key key;
};
/* One delivery, from its first attempt to its last. */
struct delivery {
    uint64_t seq;
    const struct company *company;
    char id[64];
    char *body;
    char sha[65];
    char timestamp[16], signature[80];
    unsigned attempts, flying;
    bool settled;
};
struct load_target {
    struct sockaddr_in to;
    struct company *companies;
    size_t company_count;
    unsigned signatures; /* different ones per asset */
    uint64_t seed, made;
};
/* Ends the program with a message when the file is not right. */
void load_target_read(struct load_target *target, const char *path, struct aw_arena *arena);
uint64_t load_random(struct load_target *target);
struct delivery *load_delivery_make(struct load_target *target);
void load_delivery_sign(struct delivery *delivery);
void load_delivery_free(struct delivery *delivery);
void load_die(const char *what);

#endif
