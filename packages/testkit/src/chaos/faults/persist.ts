/** How long what heals a fault may be kept from it by others. */
const withinMs = 20_000;

/** Does it again until it succeeds: the database may be recovering, and a table locked. Throws its last error after 20 s. */
export async function persist<T>(run: () => Promise<T>): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
