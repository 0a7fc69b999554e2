import { Times, type Clock, type Timer } from "@warren/protocol";
import type { Session } from "@warren/receiver-core";

/** Cuts a stream whose session has ended and that cannot end itself, because its peer reads nothing. Returns what ends the watch. */
export function cutWhenStuck(session: Pick<Session, "signal">, clock: Clock, cut: () => void): () => void {
  let timer: Timer | undefined;
  const ended = (): void => void (timer = clock.after(Times.streamEndMs, cut));
  session.signal.addEventListener("abort", ended, { once: true });
  return () => {
    session.signal.removeEventListener("abort", ended);
    timer?.cancel();
  };
}
