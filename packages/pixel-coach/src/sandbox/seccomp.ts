/**
 * A seccomp filter for bubblewrap (--seccomp): system calls that tests have no use for and that attacks on the kernel, on other
 * processes' memory or out of the namespaces begin with. They fail with EPERM. The program is classic BPF (linux/seccomp.h).
 */
import { endianness } from 'node:os';

interface Architecture {
  /** AUDIT_ARCH_*, linux/audit.h. */
  readonly audit: number;
  readonly clone: number;
  /** Numbers from the architecture's own table. */
  readonly denied: readonly number[];
}

/** From 424 on all architectures count alike: io_uring_setup, open_tree .. fspick, pidfd_getfd, mount_setattr. */
const DENIED_EVERYWHERE = [425, 428, 429, 430, 431, 432, 433, 438, 442];
const CLONE3 = 435;
const CLONE_NEWUSER = 0x1000_0000;
const X32_BIT = 0x4000_0000;

// In this order: mount, umount2, pivot_root, chroot, unshare, setns, ptrace, process_vm_readv, process_vm_writev, keyctl, add_key,
// request_key, bpf, perf_event_open, userfaultfd, kexec_load, kexec_file_load, init_module, finit_module, delete_module,
// open_by_handle_at, syslog, reboot, swapon.
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000_003e,
    clone: 56,
    denied: [
      165, 166, 155, 161, 272, 308, 101, 310, 311, 250, 248, 249, 321, 298, 323, 246, 320, 175, 313, 176, 304, 103, 169,
      167,
    ],
  },
  arm64: {
    audit: 0xc000_00b7,
    clone: 220,
    denied: [
      40, 39, 41, 51, 97, 268, 117, 270, 271, 219, 217, 218, 280, 241, 282, 104, 294, 105, 273, 106, 265, 116, 142, 224,
    ],
  },
};

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const ERROR = 0x0005_0000;
const EPERM = 1;
const ENOSYS = 38;
/** Offsets in struct seccomp_data; the low half of the first argument. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;

/** The filter's bytes for this machine, or undefined for an architecture that has no table here. */
export function seccompFilter(architecture: string = process.arch): Buffer | undefined {
  const known = ARCHITECTURES[architecture];
  if (known === undefined || endianness() !== 'LE') return undefined;
  const filter: [code: number, jumpTrue: number, jumpFalse: number, value: number][] = [
    [LOAD, 0, 0, ARCHITECTURE],
    // Another table of numbers (32 bits) is not let in at all.
    [JUMP_EQUAL, 1, 0, known.audit],
    [RETURN, 0, 0, ERROR | EPERM],
    [LOAD, 0, 0, NUMBER],
    [JUMP_GREATER_OR_EQUAL, 0, 1, X32_BIT],
    [RETURN, 0, 0, ERROR | ENOSYS],
    // Its flags lie in memory, where a filter cannot look; the C library falls back to clone.
    [JUMP_EQUAL, 0, 1, CLONE3],
    [RETURN, 0, 0, ERROR | ENOSYS],
  ];
  for (const number of [...known.denied, ...DENIED_EVERYWHERE])
    filter.push([JUMP_EQUAL, 0, 1, number], [RETURN, 0, 0, ERROR | EPERM]);
  filter.push(
    [JUMP_EQUAL, 0, 3, known.clone],
    [LOAD, 0, 0, FIRST_ARGUMENT],
    [JUMP_ANY_BIT, 0, 1, CLONE_NEWUSER],
    [RETURN, 0, 0, ERROR | EPERM],
    [RETURN, 0, 0, ALLOW],
  );
  const bytes = Buffer.alloc(filter.length * 8);
  for (const [index, [code, jumpTrue, jumpFalse, value]] of filter.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  }
  return bytes;
}
