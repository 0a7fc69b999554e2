/** Events that may wait behind others of their key, before no more are taken. */
const waitingLimit = 1_000;

type Job = () => Promise<void>;

/** Runs jobs, at most `concurrency` at once; those of one key one after another, in the order in which they came. A job without a key waits for none. */
export class Lanes {
  readonly #concurrency: number;
  /** By key, what waits behind the job under way. */
  readonly #keys = new Map<string, Job[]>();
  #running = 0;
  #waiting = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #failed = Promise.withResolvers<never>();
  #wake: (() => void)[] = [];

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
    // Whoever does not ask is not to be told.
    this.#failed.promise.catch(() => undefined);
  }

  /** Rejects when a job threw. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** A job threw: no other is begun. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Begins the job, or has it wait behind its key; then another may be given. Undefined: it was done at once; else that is when the promise resolves. Rejects with
   * what an earlier job threw.
   */
  run(key: string | undefined, job: Job): Promise<void> | undefined {
    const behind = key === undefined || key === "" ? undefined : this.#keys.get(key);
    if (behind !== undefined && this.#waiting < waitingLimit) {
      behind.push(job);
      this.#waiting += 1;
      return undefined;
    }
    if (this.#failure !== undefined || !this.#isFree(key)) return this.#runLater(key, job);
    this.#begin(key, job);
    return undefined;
  }

  async #runLater(key: string | undefined, job: Job): Promise<void> {
    await this.#until(() => this.#isFree(key));
    this.#begin(key, job);
  }

  #isFree(key: string | undefined): boolean {
    return this.#running < this.#concurrency && !(key !== undefined && this.#keys.has(key));
  }

  #begin(key: string | undefined, job: Job): void {
    if (key !== undefined && key !== "") this.#keys.set(key, []);
    this.#running += 1;
    void this.#work(key, job);
  }

  /** Resolves when no job is under way. Throws what a job threw. */
  async idle(): Promise<void> {
    await this.#until(() => this.#running === 0);
  }

  async #work(key: string | undefined, first: Job): Promise<void> {
    try {
      for (let job: Job | undefined = first; job !== undefined && this.#failure === undefined; job = this.#next(key)) await job();
    } catch (error) {
      this.#failure ??= { error };
      this.#failed.reject(error);
    }
    if (key !== undefined) this.#keys.delete(key);
    this.#running -= 1;
    const wake = this.#wake;
    this.#wake = [];
    for (const go of wake) go();
  }

  #next(key: string | undefined): Job | undefined {
    const job = key === undefined ? undefined : this.#keys.get(key)?.shift();
    if (job !== undefined) this.#waiting -= 1;
    return job;
  }

  async #until(ready: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined && this.#running === 0) throw this.#failure.error;
      if (this.#failure === undefined && ready()) return;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}
