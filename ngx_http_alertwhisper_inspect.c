
/*
 * Alert Whisperer: what nginx -t says about the mapped files.
 */


#include "ngx_http_alertwhisper.h"


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
    unsigned         how;
    ngx_err_t        err;
    ngx_uint_t       i, level;
    struct aw_err    aerr;
    struct aw_edge   edge;
    struct aw_queue  queue;

    struct {
        ngx_str_t                      *path;
        ngx_http_alertwhisper_place_t  *place;
    } file[2] = {
        { &amcf->queue_path, &amcf->queue_place },
        { &amcf->edge_path, &amcf->edge_place }
    };

    how = AW_FILE_INSPECT | (amcf->disk ? 0 : AW_FILE_ANY_FS);

    for (i = 0; i < 2; i++) {

        if (access((char *) file[i].path->data, R_OK) == -1) {
            err = ngx_errno;

            if (err == NGX_ENOENT || err == NGX_ENOTDIR) {
                if (ngx_http_alertwhisper_test_absent(file[i].path,
                                            file[i].place,
                                            i == 0 && amcf->disk, log)
                    != NGX_OK)
                {
                    return NGX_ERROR;
                }

                continue;
            }

            ngx_log_error(NGX_LOG_WARN, log, err,
                          "\"%V\" is not tested: it cannot be read in %V:%ui",
                          file[i].path, &file[i].place->file,
                          file[i].place->line);
            continue;
        }

        if (i == 0) {
            if (aw_queue_open(&queue, (char *) file[i].path->data,
                              amcf->queue_size, how, NULL, &aerr))
            {
                aw_queue_close(&queue);
                continue;
            }

        } else {
            if (aw_edge_open(&edge, (char *) file[i].path->data,
                             amcf->edge_size, how, NULL, &aerr))
            {
                aw_edge_close(&edge);
                continue;
            }
        }

        /* its making was cut off or goes on: the start will finish it */

        if (ngx_strstr(aerr.code, ".absent") != NULL) {
            if (ngx_http_alertwhisper_test_absent(file[i].path, file[i].place,
                                                  i == 0 && amcf->disk, log)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        level = (ngx_strstr(aerr.code, ".io") == NULL) ? NGX_LOG_EMERG
                                                       : NGX_LOG_WARN;

        ngx_http_alertwhisper_log_err(level, log, &aerr, file[i].path,
                                      file[i].place);

        if (level == NGX_LOG_EMERG) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
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
