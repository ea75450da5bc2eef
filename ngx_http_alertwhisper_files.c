
/*
 * Alert Whisperer: opening, inheriting and unmapping the queue file, the state
 * file and the edge table.
 *
 * All of it happens in the init callback of a shared memory zone.  The zone
 * itself holds nothing: its callback is the one hook that runs in the master
 * before the workers are forked, may fail without harm (a reload is rolled
 * back), and is handed the configuration of the former cycle.
 */


#include "ngx_http_alertwhisper.h"


typedef struct {
    char                              *code;
    char                              *mend;
} ngx_http_alertwhisper_mend_t;


static ngx_int_t ngx_http_alertwhisper_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_uint_t ngx_http_alertwhisper_same_files(
    ngx_http_alertwhisper_files_t *files,
    ngx_http_alertwhisper_main_conf_t *amcf);
static ngx_http_alertwhisper_files_t *ngx_http_alertwhisper_open_files(
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_log_t *log);
static ngx_http_alertwhisper_files_t *ngx_http_alertwhisper_new_files(
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_log_t *log);
static ngx_int_t ngx_http_alertwhisper_rebuild(
    ngx_http_alertwhisper_files_t *files,
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_log_t *log);
static ngx_int_t ngx_http_alertwhisper_owner(ngx_str_t *path,
    ngx_http_alertwhisper_place_t *place, struct aw_file_owner *owner,
    ngx_log_t *log);
static void ngx_http_alertwhisper_release_files(void *data);


static ngx_str_t  ngx_http_alertwhisper_zone_name =
    ngx_string("alertwhisper");


static ngx_http_alertwhisper_mend_t  ngx_http_alertwhisper_mends[] = {
    { "queue.absent", "create the directory, see conf/tmpfiles.d" },
    { "edge.absent", "create the directory, see conf/tmpfiles.d" },
    { "state.absent", "create the directory, see conf/tmpfiles.d" },
    { "queue.size", "a live file keeps its size: for another size name "
                    "another path, the worker drains the former file" },
    { "edge.size", "a live file keeps its size: for another size name "
                   "another path, also in the worker's configuration" },
    { "queue.volatile", "move it to a disk, or set \"alertwhisper_ack memory\""
                        " wherever alerts are taken" },
    { "queue.format", "this is not a queue file: name another path" },
    { "edge.format", "this is not an edge table: name another path" },
    { "queue.version", "let the worker of the newer version drain it first" },
    { "state.busy", "other processes use it: stop nginx before the number of "
                    "ids or the queue of this name changes" },
    { NULL, "nothing was changed" }
};


char *
ngx_http_alertwhisper_add_zone(ngx_conf_t *cf,
    ngx_http_alertwhisper_main_conf_t *amcf)
{
    ngx_shm_zone_t  *shm_zone;

    shm_zone = ngx_shared_memory_add(cf, &ngx_http_alertwhisper_zone_name,
                                     8 * ngx_pagesize,
                                     &ngx_http_alertwhisper_module);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    amcf->cycle = cf->cycle;

    shm_zone->init = ngx_http_alertwhisper_init_zone;
    shm_zone->data = amcf;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_alertwhisper_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_alertwhisper_main_conf_t  *oamcf = data;

    ngx_log_t                          *log;
    ngx_pool_cleanup_t                 *cln;
    ngx_http_alertwhisper_files_t      *files;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = shm_zone->data;
    log = shm_zone->shm.log;

    if (ngx_test_config) {
        return ngx_http_alertwhisper_test_files(amcf, log);
    }

    cln = ngx_pool_cleanup_add(amcf->cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    files = oamcf ? oamcf->files : NULL;

    if (files && ngx_http_alertwhisper_same_files(files, amcf)) {

        if (amcf->disk && aw_file_is_volatile(files->queue.fd)) {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "\"%V\" is on a file system that loses its files "
                          "with the power: move it to a disk, or set "
                          "\"alertwhisper_ack memory\" in %V:%ui",
                          &amcf->queue_path, &amcf->queue_place.file,
                          amcf->queue_place.line);
            return NGX_ERROR;
        }

        files->refs++;

    } else {
        files = ngx_http_alertwhisper_open_files(amcf, log);
        if (files == NULL) {
            return NGX_ERROR;
        }
    }

    cln->handler = ngx_http_alertwhisper_release_files;
    cln->data = files;

    amcf->files = files;
    amcf->intake.queue = &files->queue;
    amcf->intake.state = &files->state;

    if (files->state.fresh) {
        if (ngx_http_alertwhisper_rebuild(files, amcf, log) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_alertwhisper_ack_init(amcf->cycle, amcf);
}


static ngx_uint_t
ngx_http_alertwhisper_same_files(ngx_http_alertwhisper_files_t *files,
    ngx_http_alertwhisper_main_conf_t *amcf)
{
    return files->queue_size == amcf->queue_size
           && files->edge_size == amcf->edge_size
           && files->ids == amcf->ids
           && ngx_strcmp(files->queue_path, amcf->queue_path.data) == 0
           && ngx_strcmp(files->edge_path, amcf->edge_path.data) == 0;
}


static ngx_http_alertwhisper_files_t *
ngx_http_alertwhisper_open_files(ngx_http_alertwhisper_main_conf_t *amcf,
    ngx_log_t *log)
{
    unsigned                        how;
    struct aw_err                   err;
    struct aw_file_owner            queue_owner, edge_owner;
    ngx_http_alertwhisper_files_t  *files;

    if (ngx_http_alertwhisper_owner(&amcf->queue_path, &amcf->queue_place,
                                    &queue_owner, log)
        != NGX_OK
        || ngx_http_alertwhisper_owner(&amcf->edge_path, &amcf->edge_place,
                                       &edge_owner, log)
           != NGX_OK)
    {
        return NULL;
    }

    files = ngx_http_alertwhisper_new_files(amcf, log);
    if (files == NULL) {
        return NULL;
    }

    how = AW_FILE_CREATE | (amcf->disk ? 0 : AW_FILE_ANY_FS);

    if (!aw_queue_open(&files->queue, (char *) files->queue_path,
                       files->queue_size, how, &queue_owner, &err))
    {
        ngx_http_alertwhisper_log_err(NGX_LOG_EMERG, log, &err,
                                      &amcf->queue_path, &amcf->queue_place);
        goto failed;
    }

    how |= AW_FILE_ANY_FS;

    if (!aw_state_open(&files->state, (char *) amcf->state_path.data,
                       files->ids, &files->queue, how, &edge_owner, &err))
    {
        ngx_http_alertwhisper_log_err(NGX_LOG_EMERG, log, &err,
                                      &amcf->state_path, &amcf->queue_place);
        goto close_queue;
    }

    if (!aw_edge_open(&files->edge, (char *) files->edge_path,
                      files->edge_size, how, &edge_owner, &err))
    {
        ngx_http_alertwhisper_log_err(NGX_LOG_EMERG, log, &err,
                                      &amcf->edge_path, &amcf->edge_place);
        goto close_state;
    }

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "alertwhisper: queue \"%V\" mapped%s", &amcf->queue_path,
                  files->queue.recovered && aw_queue_tail(&files->queue)
                  ? ", recovered after a new boot" : "");

    if (files->queue.damaged) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "alertwhisper: recovery of \"%V\" skipped %uL damaged "
                      "regions", &amcf->queue_path, files->queue.damaged);
    }

    return files;

close_state:

    aw_state_close(&files->state);

close_queue:

    aw_queue_close(&files->queue);

failed:

    ngx_free(files);

    return NULL;
}


/* not in a pool: a later cycle may take the mapping over */

static ngx_http_alertwhisper_files_t *
ngx_http_alertwhisper_new_files(ngx_http_alertwhisper_main_conf_t *amcf,
    ngx_log_t *log)
{
    ngx_http_alertwhisper_files_t  *files;

    files = ngx_calloc(sizeof(ngx_http_alertwhisper_files_t)
                       + amcf->queue_path.len + 1 + amcf->edge_path.len + 1,
                       log);
    if (files == NULL) {
        return NULL;
    }

    files->refs = 1;
    files->queue_size = amcf->queue_size;
    files->edge_size = amcf->edge_size;
    files->ids = amcf->ids;

    files->queue_path = (u_char *) files
                        + sizeof(ngx_http_alertwhisper_files_t);
    files->edge_path = ngx_cpymem(files->queue_path, amcf->queue_path.data,
                                  amcf->queue_path.len + 1);
    ngx_memcpy(files->edge_path, amcf->edge_path.data,
               amcf->edge_path.len + 1);

    return files;
}


/* a new state file knows no ids: those of the queue's records come back */

static ngx_int_t
ngx_http_alertwhisper_rebuild(ngx_http_alertwhisper_files_t *files,
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_log_t *log)
{
    enum aw_queue_rc  rc;

    rc = aw_intake_rebuild(&amcf->intake, ngx_time());

    if (rc != AW_QUEUE_OK && rc != AW_QUEUE_REPAIRED) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the ids of the records in \"%V\" could not be restored "
                      "(%d) in %V:%ui", &amcf->queue_path, rc,
                      &amcf->queue_place.file, amcf->queue_place.line);
        return NGX_ERROR;
    }

    files->state.fresh = 0;

    return NGX_OK;
}


/*
 * The worker daemon must reach the files too: they belong to the owner of
 * their directory.  A master that is not root cannot give files away: there
 * both run as one user, or the directory is shared by a group.
 */

static ngx_int_t
ngx_http_alertwhisper_owner(ngx_str_t *path,
    ngx_http_alertwhisper_place_t *place, struct aw_file_owner *owner,
    ngx_log_t *log)
{
    char         dir[NGX_MAX_PATH];
    struct stat  st;

    if (ngx_http_alertwhisper_directory(path, dir) != NGX_OK
        || stat(dir, &st) == -1)
    {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "the directory of \"%V\" cannot be opened: create it, "
                      "owned by the user of the worker daemon, in %V:%ui",
                      path, &place->file, place->line);
        return NGX_ERROR;
    }

    if (geteuid() == 0) {
        owner->uid = st.st_uid;
        owner->gid = st.st_gid;
        owner->mode = 0600;

    } else {
        owner->uid = (uid_t) -1;
        owner->gid = (gid_t) -1;
        owner->mode = (st.st_mode & S_IWGRP) ? 0660 : 0600;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_alertwhisper_directory(ngx_str_t *path, char *dir)
{
    size_t  len;

    for (len = path->len; len && path->data[len - 1] != '/'; len--) {
        /* void */
    }

    if (len == 0 || len >= NGX_MAX_PATH) {
        ngx_set_errno(NGX_ENAMETOOLONG);
        return NGX_ERROR;
    }

    ngx_memcpy(dir, path->data, len);
    dir[len] = '\0';

    return NGX_OK;
}


void
ngx_http_alertwhisper_log_err(ngx_uint_t level, ngx_log_t *log,
    struct aw_err *err, ngx_str_t *path, ngx_http_alertwhisper_place_t *place)
{
    ngx_http_alertwhisper_mend_t  *m;

    for (m = ngx_http_alertwhisper_mends; m->code; m++) {
        if (ngx_strcmp(m->code, err->code) == 0) {
            break;
        }
    }

    ngx_log_error(level, log, 0, "\"%V\": %s (%s): %s, in %V:%ui",
                  path, err->msg, err->code, m->mend, &place->file,
                  place->line);
}


static void
ngx_http_alertwhisper_release_files(void *data)
{
    ngx_http_alertwhisper_files_t *files = data;

    if (--files->refs) {
        return;
    }

    aw_edge_close(&files->edge);
    aw_state_close(&files->state);
    aw_queue_close(&files->queue);

    ngx_free(files);
}
