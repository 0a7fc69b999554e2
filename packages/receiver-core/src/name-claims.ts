import type { Sleeper } from "@warren/state-store";

/**
 * Claims of names on one receiver: what upkeep does between them, and who was claimed and is not known to the state store as asleep again. A claim whose answer was
 * lost may have been granted: its token is unknown.
 */
export class NameClaims {
  readonly #tokens = new Map<string, bigint | undefined>();
  #underWay = 0;
  #exclusive: Promise<unknown> | undefined;

  /** Runs a claim when nothing exclusive runs; a claim that waits lets nothing exclusive in before it. */
  async run<T>(name: string, claim: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      await this.#exclusive;
      if (name !== "") this.#tokens.set(name, undefined);
      return await claim();
    } finally {
      this.#underWay -= 1;
    }
  }

  claimed(name: string, sessionToken: bigint): void {
    this.#tokens.set(name, sessionToken);
  }

  /** Runs something that must not meet a claim; undefined, and nothing runs, while one is under way. Never rejects who waits for it. */
  async exclusively<T>(run: () => Promise<T>): Promise<T | undefined> {
    if (this.#underWay > 0 || this.#exclusive !== undefined) return undefined;
    const running = run();
    this.#exclusive = running.catch(() => undefined);
    try {
      return await running;
    } finally {
      this.#exclusive = undefined;
    }
  }

  /** Names that were claimed and sleep now, as `asleep` says. */
  unsaid(asleep: (name: string) => boolean): readonly { readonly name: string; readonly sessionToken: bigint | undefined }[] {
    return [...this.#tokens].filter(([name]) => asleep(name)).map(([name, sessionToken]) => ({ name, sessionToken }));
  }

  /** The state store knows that these sleep. */
  said(sleepers: readonly Sleeper[]): void {
    for (const { name } of sleepers) this.#tokens.delete(name);
  }
}
