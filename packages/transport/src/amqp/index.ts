export { createAmqpTransport, type AmqpTransportOptions } from "./amqp-transport.ts";
