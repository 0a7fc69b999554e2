/** Rows that wait for what they are about: number, area, input, and what is missing. */
export const outOfScope: readonly (readonly [number: string, area: string, input: string, missing: string])[] = [
  ["25", "auth", "no token", "authentication is not built yet"],
  ["26", "auth", "expired, another audience, alg none", "authentication is not built yet"],
  ["27", "auth", "valid, without the right", "authentication is not built yet"],
  ["28", "auth", "another tenant's name or receiver", "tenants are not built yet"],
  ["29", "auth", "token expires in the stream", "authentication is not built yet"],
  ["45", "subscribe", "quota of names reached", "quotas come with tenants"],
  ["57", "ack", "nack without the right to quarantine", "rights come with authentication"],
  ["81", "admin", "re-emit range above the limit, or from after to", "re-emitting is not built yet"],
  ["82", "admin", "second re-emit of one job id", "re-emitting is not built yet"],
  ["83", "admin", "re-emit without the right", "rights come with authentication"],
];
