/* gather.h - a VFS of SQLite that writes the write-ahead log in few large pieces.
 *
 * SQLite appends each page of a transaction to the log as two writes, a header of 24 bytes and the page. Writes that
 * follow each other without a gap are kept and written as one, at the latest with the frame that ends a transaction
 * or before the log is read, synced, measured, cut or closed: whoever may see a frame finds it in the file. Other
 * files are those of the default VFS. An error comes from the call that writes what was kept; SQLite undoes the
 * transaction as it does for any write that failed.
 * Threads: registering from any; a file by its connection's. */
#ifndef AW_STORE_SQLITE_GATHER_H
#define AW_STORE_SQLITE_GATHER_H

/* Name of the VFS for sqlite3_open_v2(); it is registered with the first call. */
const char *aw_gather_vfs(void);

#endif
