/**
 * Environment of a process that is to fail at failpoints, for example `rx.after_commit_before_ack:kill@3` (see plan.ts). It must run the built files, with
 * a Node from 22.15. Its other NODE_OPTIONS are kept.
 */
export function failpointEnv(failpoints: string): NodeJS.ProcessEnv {
  const register = new URL(import.meta.url.endsWith(".ts") ? "register.ts" : "register.js", import.meta.url);
  return { WARREN_FAILPOINTS: failpoints, NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --import ${register.href}`.trim() };
}
