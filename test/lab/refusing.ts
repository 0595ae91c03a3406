// A kernel that lacks something, for a device under test: a library between the two, which answers some system calls as such a
// kernel would, and lets all others pass. It is compiled into the lab's folder, and goes with it.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Lab } from '../../src/lab/lab.ts'
import { type DeviceProgram, podwire } from './tunnel.ts'

/**
 * segments: EIO to a message that is to be cut, as of a link without checksum offload before Linux 6.11
 * gro: ENOPROTOOPT to UDP_GRO, before 5.0
 * uso: EINVAL to TUNSETOFFLOAD with USO, before 6.2
 * superPackets: EINVAL to a super-packet that is written to the TUN, some 6.6
 * ipv6: EAFNOSUPPORT to AF_INET6, started with ipv6.disable=1
 */
export type Refusal = 'segments' | 'gro' | 'uso' | 'superPackets' | 'ipv6'

const source = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
static int refuses(const char *what) { const char *all = getenv("PODWIRE_TEST_REFUSE"); return all && strcmp(all, what) == 0; }
static int fail(int error) { errno = error; return -1; }

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  struct msghdr *first = &messages[0].msg_hdr;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(first); c; c = CMSG_NXTHDR(first, c))
    if (refuses("segments") && c->cmsg_level == SOL_UDP && c->cmsg_type == 103) return fail(EIO);
  return REAL(sendmmsg)(fd, messages, refuses("segments") ? 1 : count, flags);
}
int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (refuses("gro") && level == SOL_UDP && name == 104) return fail(ENOPROTOOPT);
  return REAL(setsockopt)(fd, level, name, value, length);
}
int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  unsigned long argument = va_arg(list, unsigned long);
  va_end(list);
  if (refuses("uso") && request == TUNSETOFFLOAD && (argument & 0x60)) return fail(EINVAL);
  return REAL(ioctl)(fd, request, argument);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (refuses("superPackets") && parts[0].iov_len == 10 && ((char *)parts[0].iov_base)[1]) return fail(EINVAL);
  return REAL(writev)(fd, parts, count);
}
int socket(int family, int type, int protocol) {
  if (refuses("ipv6") && family == AF_INET6) return fail(EAFNOSUPPORT);
  return REAL(socket)(family, type, protocol);
}
`

/** A program that runs `podwire device` on such a kernel. */
export function refusing(lab: Lab, what: Refusal): DeviceProgram {
  const library = `${lab.sharedFolder}/refusing.so`
  if (!existsSync(library))
    execFileSync('cc', ['-x', 'c', '-shared', '-fPIC', '-o', library, '-', '-ldl'], { input: source })
  return ['env', `LD_PRELOAD=${library}`, `PODWIRE_TEST_REFUSE=${what}`, ...podwire]
}
