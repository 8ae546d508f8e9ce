/*
 * crc32c.h - the Castagnoli checksum, as in iSCSI and ext4.
 */
#ifndef AC_SPOOL_CRC32C_H
#define AC_SPOOL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * crc is 0, or the result for the bytes before these. By the processor's own
 * instruction where there is one; crc32c_portable() never uses it.
 */
uint32_t crc32c(uint32_t crc, const void *, size_t len);
uint32_t crc32c_portable(uint32_t crc, const void *, size_t len);

#endif
