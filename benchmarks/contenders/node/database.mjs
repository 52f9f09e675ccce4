/** The pool of connections: one per process, as node-postgres has it. */

import pg from "pg";

// Counters and microseconds since 1970 stay below 2^53, so numbers hold them.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

export const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  // 10 is the default of node-postgres.
  max: Number(process.env.POOL_SIZE ?? 10),
});

/** Runs statements on one client between BEGIN and COMMIT, as the documentation of node-postgres advises. */
export async function inTransaction(work) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const answer = await work(client);
    await client.query("COMMIT");
    client.release();
    return answer;
  } catch (failure) {
    await client.query("ROLLBACK").then(
      () => client.release(),
      (broken) => client.release(broken),
    );
    throw failure;
  }
}
