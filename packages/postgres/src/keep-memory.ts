/** Bytes of the value: half of what a server's process then keeps free, and far more than a segment, with all copies that are made of it. */
const bytes = 8 * 1024 * 1024;
const part = 1024;

/**
 * Makes the server's process of a connection keep the memory that it gives back. To store a segment of some hundred KiB PostgreSQL asks for several pieces of that size and frees them, and
 * the C library of most Linux systems returns such pieces to the kernel, at each statement: the page faults that follow were a sixth of the CPU of an append. glibc returns less
 * once a larger piece was freed (M_MMAP_THRESHOLD in https://man7.org/linux/man-pages/man3/mallopt.3.html): 16 MiB stay. This statement has the server make one, and takes some milliseconds;
 * on other systems it does nothing.
 */
export const keepMemory = {
  text: "select octet_length(repeat($1::text, $2::int))",
  values: ["x".repeat(part), bytes / part],
};
