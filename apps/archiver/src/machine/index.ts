/** For Warren's own simulation: the archiver's write side. May change at any time. */
export {
  idleWriter,
  stepWriter,
  type ArchiveBatch,
  type ArchivedMessage,
  type WriterEffect,
  type WriterInput,
  type WriterState,
  type WriterStep,
} from "./writer-machine.ts";
