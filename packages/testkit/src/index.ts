import "./provided.ts";

export { testNamespace } from "./namespace.ts";
