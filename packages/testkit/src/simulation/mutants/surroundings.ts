import { mutantsOf } from "./mutant.ts";

/** Rules that live in SQL, in RabbitMQ, or in a shell: planted in what stands for these. */
export const surroundings = [
  ...mutantsOf("packages/testkit/dist/simulation/sim-log.js", {
    "sql-no-epoch-check": {
      bug: "SQL: an append of a writer that lost the log is taken",
      find: `if (epoch !== this.epoch) return { kind: "fenced" };`,
      replace: ``,
    },
    "sql-no-head-check": {
      bug: "SQL: an append is taken at any head",
      find: `if (head !== this.head) return { kind: "head-moved", headOffset: this.head };`,
      replace: ``,
    },
    "sql-no-unique-key": {
      bug: "SQL: an event that is stored is stored again",
      find: `const known = this.known(events); if (known.length > 0) return { kind: "known", known };`,
      replace: ``,
    },
    "sql-loss-not-fenced": {
      bug: "SQL: a writer that lost the log may record a loss",
      find: `if (epoch !== this.epoch) return undefined;`,
      replace: ``,
    },
    "sql-claim-same-epoch": {
      bug: "SQL: a claim of the log does not raise the epoch",
      find: `claim() { this.epoch += 1n;`,
      replace: `claim() {`,
    },
  }),
  ...mutantsOf("packages/testkit/dist/simulation/sim-consumers.js", {
    "sql-save-not-fenced": {
      bug: "SQL: every session may save, whoever has the name",
      find: `save(name, token, settled) { const row = this.#held(name, token);`,
      replace: `save(name, token, settled) { const row = this.#rows.get(name);`,
    },
    "sql-park-not-fenced": {
      bug: "SQL: every session may park, whoever has the name",
      find: `park(name, token, offset) { const row = this.#held(name, token);`,
      replace: `park(name, token, offset) { const row = this.#rows.get(name);`,
    },
    "sql-token-not-new": {
      bug: "SQL: a claim of a name gives the token of the session before",
      find: `claim(name, brokerId) { this.#tokens += 1n;`,
      replace: `claim(name, brokerId) { this.#tokens += this.#tokens === 0n ? 1n : 0n;`,
    },
    "sql-move-keeps-token": {
      bug: "SQL: a move does not fence the session",
      find: `this.#tokens += 1n; row.token = this.#tokens; row.moves += 1n;`,
      replace: `row.moves += 1n;`,
    },
  }),
  ...mutantsOf("packages/testkit/dist/simulation/sim-queue.js", {
    "cancel-hand-over": {
      bug: "a queue is left by basic.cancel: newer messages overtake what was not acked",
      find: `this.#ready.unshift(...back);`,
      replace: `this.#ready.push(...back);`,
    },
    "no-single-active-consumer": {
      bug: "RabbitMQ delivers to every consumer of a queue",
      find: `if (active !== consumer || channel === undefined`,
      replace: `if (channel === undefined`,
    },
  }),
  ...mutantsOf("packages/testkit/dist/simulation/sim-name.js", {
    "head-read-too-early": {
      bug: "the head is read before a session is registered: what is stored between is not noticed",
      find: `this.#receiver.claimName(this.name, known, (granted) => {
        if (granted === undefined) return this.input({ kind: "claim-failed", sessionId, error: away });
        const { tail } = this.#receiver;`,
      replace: `const { head, first } = this.#receiver.tail;
        const tail = { head, first };
        this.#receiver.claimName(this.name, known, (granted) => {
        if (granted === undefined) return this.input({ kind: "claim-failed", sessionId, error: away });`,
    },
  }),
];
