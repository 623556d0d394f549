/* SPDX-License-Identifier: MIT */
/* Whether two fd numbers of this process are one open file. */
#ifndef BF_IO_BUS_SAME_FILE_H
#define BF_IO_BUS_SAME_FILE_H

/* What asks the kernel for it, from 6.10 on; older headers do not name it. */
#define BF_F_DUPFD_QUERY 1027

/*
 * 1: they are; 0: they are not; -EBADF: one of them is not open (0 from the
 * first kernels that have the query, if it is other); another negative errno:
 * neither fcntl(2) nor kcmp(2) can tell here.
 */
int bf_same_file(int fd, int other);

#endif
