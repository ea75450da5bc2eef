
/*
 * Alert Whisperer: what nginx -t says about the mapped files.
 */


#include "ngx_http_alertwhisper.h"


typedef ngx_uint_t (*ngx_http_alertwhisper_test_pt)(
    ngx_http_alertwhisper_main_conf_t *amcf, struct aw_err *err);


static ngx_int_t ngx_http_alertwhisper_test_file(ngx_str_t *path,
    ngx_http_alertwhisper_place_t *place, ngx_http_alertwhisper_test_pt test,
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_uint_t disk, ngx_log_t *log);
static ngx_uint_t ngx_http_alertwhisper_test_queue(
    ngx_http_alertwhisper_main_conf_t *amcf, struct aw_err *err);
static ngx_uint_t ngx_http_alertwhisper_test_edge(
    ngx_http_alertwhisper_main_conf_t *amcf, struct aw_err *err);
static ngx_int_t ngx_http_alertwhisper_test_absent(ngx_str_t *path,
    ngx_http_alertwhisper_place_t *place, ngx_uint_t disk, ngx_log_t *log);


/*
 * nginx -t changes nothing: what is there is judged, what is absent or cannot
 * be read is a warning, as the user of the test may have fewer rights
 */

ngx_int_t
ngx_http_alertwhisper_test_files(ngx_http_alertwhisper_main_conf_t *amcf,
    ngx_log_t *log)
{
    if (ngx_http_alertwhisper_test_file(&amcf->queue_path,
                                        &amcf->queue_place,
                                        ngx_http_alertwhisper_test_queue,
                                        amcf, amcf->disk, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_alertwhisper_test_file(&amcf->edge_path,
                                           &amcf->edge_place,
                                           ngx_http_alertwhisper_test_edge,
                                           amcf, 0, log);
}


static ngx_int_t
ngx_http_alertwhisper_test_file(ngx_str_t *path,
    ngx_http_alertwhisper_place_t *place,
    ngx_http_alertwhisper_test_pt test,
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_uint_t disk, ngx_log_t *log)
{
    ngx_err_t      err;
    ngx_uint_t     level;
    struct aw_err  aerr;

    if (access((char *) path->data, R_OK) == -1) {
        err = ngx_errno;

        if (err == NGX_ENOENT || err == NGX_ENOTDIR) {
            return ngx_http_alertwhisper_test_absent(path, place, disk, log);
        }

        ngx_log_error(NGX_LOG_WARN, log, err,
                      "\"%V\" is not tested: it cannot be read in %V:%ui",
                      path, &place->file, place->line);
        return NGX_OK;
    }

    if (test(amcf, &aerr)) {
        return NGX_OK;
    }

    /* its making was cut off or goes on: the start will finish it */

    if (ngx_strstr(aerr.code, ".absent") != NULL) {
        return ngx_http_alertwhisper_test_absent(path, place, disk, log);
    }

    level = (ngx_strstr(aerr.code, ".io") == NULL) ? NGX_LOG_EMERG
                                                   : NGX_LOG_WARN;

    ngx_http_alertwhisper_log_err(level, log, &aerr, path, place);

    return (level == NGX_LOG_EMERG) ? NGX_ERROR : NGX_OK;
}


static ngx_uint_t
ngx_http_alertwhisper_test_queue(ngx_http_alertwhisper_main_conf_t *amcf,
    struct aw_err *err)
{
    unsigned         how;
    struct aw_queue  queue;

    how = AW_FILE_INSPECT | (amcf->disk ? 0 : AW_FILE_ANY_FS);

    if (!aw_queue_open(&queue, (char *) amcf->queue_path.data,
                       amcf->queue_size, how, NULL, err))
    {
        return 0;
    }

    aw_queue_close(&queue);

    return 1;
}


static ngx_uint_t
ngx_http_alertwhisper_test_edge(ngx_http_alertwhisper_main_conf_t *amcf,
    struct aw_err *err)
{
    struct aw_edge  edge;

    if (!aw_edge_open(&edge, (char *) amcf->edge_path.data, amcf->edge_size,
                      AW_FILE_INSPECT | AW_FILE_ANY_FS, NULL, err))
    {
        return 0;
    }

    aw_edge_close(&edge);

    return 1;
}


static ngx_int_t
ngx_http_alertwhisper_test_absent(ngx_str_t *path,
    ngx_http_alertwhisper_place_t *place, ngx_uint_t disk, ngx_log_t *log)
{
    int   fd;
    char  dir[NGX_MAX_PATH];

    if (ngx_http_alertwhisper_directory(path, dir) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "\"%V\" is too long in %V:%ui",
                      path, &place->file, place->line);
        return NGX_ERROR;
    }

    fd = open(dir, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        if (ngx_errno == NGX_EACCES) {
            ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                          "\"%V\" is not tested: its directory cannot be read "
                          "in %V:%ui", path, &place->file, place->line);
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "the directory of \"%V\" cannot be opened: create it, "
                      "owned by the user of the worker daemon, in %V:%ui",
                      path, &place->file, place->line);
        return NGX_ERROR;
    }

    if (disk && aw_file_is_volatile(fd)) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "\"%V\" would be on a file system that loses its files "
                      "with the power: move it to a disk, or set "
                      "\"alertwhisper_ack memory\" in %V:%ui",
                      path, &place->file, place->line);
        (void) close(fd);
        return NGX_ERROR;
    }

    (void) close(fd);

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "\"%V\" does not exist yet: the start of nginx makes it, "
                  "in %V:%ui", path, &place->file, place->line);

    return NGX_OK;
}
