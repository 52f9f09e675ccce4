/** A token as an operator's identity provider would issue it. */

import { createHmac } from "node:crypto";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function token(secret) {
  const now = Math.floor(Date.now() / 1000);
  const head = part({ alg: "HS256", typ: "JWT" });
  const body = part({ sub: "ann", tenant: "acme", scope: "memory:admin", iat: now, exp: now + 600 });
  const signature = createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url");
  return `${head}.${body}.${signature}`;
}
