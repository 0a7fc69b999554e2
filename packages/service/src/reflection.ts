import { createRegistry, toBinary, type DescFile, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";

/** A request of the reflection service, alike in v1 and v1alpha. */
interface ReflectionRequest {
  readonly messageRequest: { readonly case: string | undefined; readonly value?: unknown };
}

/**
 * gRPC server reflection over the given services, so that `buf curl` and `grpcurl` need no proto files. No package does this for Connect
 * (https://github.com/connectrpc/connect-es/issues/507).
 */
export function reflectionHandler(services: readonly DescService[]) {
  const files = new Map<string, DescFile>();
  const collect = (file: DescFile): void => {
    if (files.has(`${file.name}.proto`)) return;
    files.set(`${file.name}.proto`, file);
    for (const dependency of file.dependencies) collect(dependency);
  };
  for (const service of services) collect(service.file);
  const registry = createRegistry(...files.values());

  /** A file and all it imports, each once. */
  function closure(file: DescFile): Uint8Array[] {
    const seen = new Set<DescFile>();
    const walk = (each: DescFile): DescFile[] => {
      if (seen.has(each)) return [];
      seen.add(each);
      return [each, ...each.dependencies.flatMap(walk)];
    };
    return walk(file).map((each) => toBinary(FileDescriptorProtoSchema, each.proto));
  }

  function fileOf(symbol: string): DescFile | undefined {
    for (let name = symbol; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
      const found = registry.get(name);
      if (found !== undefined) return "file" in found ? found.file : undefined;
    }
    return undefined;
  }

  const found = (file: DescFile | undefined, what: string) =>
    file === undefined
      ? { case: "errorResponse" as const, value: { errorCode: Code.NotFound, errorMessage: `${what} is not known` } }
      : { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto: closure(file) } };

  function answer({ case: kind, value }: ReflectionRequest["messageRequest"]) {
    const text = typeof value === "string" ? value : "";
    if (kind === "listServices")
      return { case: "listServicesResponse" as const, value: { service: services.map(({ typeName }) => ({ name: typeName })) } };
    if (kind === "fileByFilename") return found(files.get(text), `file ${text}`);
    if (kind === "fileContainingSymbol") return found(fileOf(text), `symbol ${text}`);
    return {
      case: "errorResponse" as const,
      value: { errorCode: Code.Unimplemented, errorMessage: `${kind ?? "nothing"} is not answered` },
    };
  }

  return async function* serverReflectionInfo<Request extends ReflectionRequest>(requests: AsyncIterable<Request>) {
    for await (const request of requests) yield { messageResponse: answer(request.messageRequest) };
  };
}
