/* thread.h - threads with a name and all signals blocked; waits by the monotonic clock; signals as a pollable
 * descriptor. Threads: start-up and stop from the main thread; waits in any. */
#ifndef AW_BASE_THREAD_H
#define AW_BASE_THREAD_H

#include <pthread.h>

#include "src/aw_err.h"

AW_MUST_CHECK bool aw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
                                   void *arg, struct aw_err *err);
/* The calling thread need not wait for the end of somebody's slice when it wakes on a busy core: Linux 6.12 and newer;
 * before them nothing changes. Its share of the core and its nice value stay. */
void aw_thread_wake_first(void);
/* A condition for aw_cond_wait_until(); pthread_cond_destroy() ends it. */
void aw_cond_init(pthread_cond_t *cond);
/* Waits for news, at most until aw_clock_mono_us() is mono_us; false: it is. The caller looks again after either. */
bool aw_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_us);
/* Blocks TERM, INT, HUP, USR1 in the calling thread (before any other is started) and returns a signalfd, or -1. */
int aw_signals_open(struct aw_err *err);
/* Waits for the next of them: its number, or 0 after the timeout. */
int aw_signals_wait(int fd, int64_t timeout_ms);
/* sd_notify(3) protocol over $NOTIFY_SOCKET, if it is set. */
void aw_notify(const char *state);

#endif
