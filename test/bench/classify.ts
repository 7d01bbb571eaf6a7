// What it costs to tell where a statement may run, next to parsing it with libpg-query (PostgreSQL's parser as
// WebAssembly) and pgsql-ast-parser (JavaScript). Each engine takes its turn in every round, and the ratios are
// made per round, because machines are noisy; what counts is the time that the thread was given. Run by `make bench`; docs/benchmarks.md quotes it.
import { loadModule, parseSync } from 'libpg-query';
import { parse } from 'pgsql-ast-parser';
import { Classifier } from '../../src/router/classify/classifier.ts';
import { classify } from '../../src/router/classify/classify.ts';
import { ratios, spread } from './spread.ts';

const rounds = 9;
/** Long enough for the clock, short enough that a round sees one mood of the machine. */
const turnMs = 40;
/** Asking the clock costs as much as a short statement; parsing a long one takes longer than a turn. */
const batchOf = { 'verdict cache': 64, classify: 8, 'libpg-query': 1, 'pgsql-ast-parser': 1 } as const;

const columns = ['id', 'created_at', 'title', 'author_id', 'tenant_id', 'deleted_at', 'state'];
const statements = {
  'short SELECT': 'SELECT name FROM t WHERE id = $1',
  'query of an ORM': `SELECT ${columns.map((it) => `"t0"."${it}"`).join(', ')}, "t1"."id", "t1"."name", "t1"."email" FROM "public"."posts" "t0" LEFT JOIN "public"."users" "t1" ON "t1"."id" = "t0"."author_id" WHERE "t0"."deleted_at" IS NULL AND "t0"."tenant_id" = $1 AND ("t0"."title" ILIKE $2 OR "t1"."name" ILIKE $2) ORDER BY "t0"."created_at" DESC, "t0"."id" ASC LIMIT $3 OFFSET $4`,
  'report with two CTEs': `WITH monthly AS (SELECT date_trunc('month', o.created_at) AS month, o.user_id, sum(o.total) AS revenue, count(*) FILTER (WHERE o.state = 'paid') AS paid FROM orders o JOIN order_lines l ON l.order_id = o.id WHERE o.created_at >= now() - interval '1 year' GROUP BY 1, 2), ranked AS (SELECT m.*, rank() OVER (PARTITION BY m.month ORDER BY m.revenue DESC) AS place, lag(m.revenue) OVER (PARTITION BY m.user_id ORDER BY m.month) AS before FROM monthly m) SELECT to_char(r.month, 'YYYY-MM') AS month, u.name, r.revenue, r.paid, round(100 * (r.revenue - r.before) / nullif(r.before, 0), 1) AS growth, coalesce(u.country, 'unknown') AS country FROM ranked r JOIN users u ON u.id = r.user_id WHERE r.place <= 10 AND NOT EXISTS (SELECT 1 FROM blocked b WHERE b.user_id = u.id) ORDER BY r.month DESC, r.place LIMIT 500`,
  'list of 1000 parameters': `SELECT * FROM t WHERE id IN (${Array.from({ length: 1_000 }, (_, index) => `$${index + 1}`).join(', ')})`,
} as const;

await loadModule();
const classifier = new Classifier();
const engines = {
  'verdict cache': (sql: string) => classifier.verdictOf(sql),
  classify: (sql: string) => classify(sql),
  'libpg-query': (sql: string) => parseSync(sql),
  'pgsql-ast-parser': (sql: string) => parse(sql),
} as const;
type Engine = keyof typeof engines;
const names = Object.keys(engines) as Engine[];

/** Microseconds of the processor per statement. */
function turn(name: Engine, sql: string): number {
  const run: (sql: string) => unknown = engines[name];
  const batch = batchOf[name];
  const started = performance.now();
  const before = process.threadCpuUsage();
  let count = 0;
  do {
    for (let index = 0; index < batch; index += 1) run(sql);
    count += batch;
  } while (performance.now() - started < turnMs);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / count;
}

console.log(`${rounds} rounds, min / median / max`);
for (const [label, sql] of Object.entries(statements)) {
  const verdict = classify(sql);
  if (verdict.route !== 'replica') throw new Error(`${label} is not read as a read: ${verdict.rule}`);
  const costs = new Map<Engine, number[]>(names.map((name) => [name, []]));
  for (const name of names) turn(name, sql);
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) costs.get(name)?.push(turn(name, sql));
  }
  const base = costs.get('classify') ?? [];
  console.log(`${label} (${sql.length} characters)`);
  for (const name of names) {
    const own = costs.get(name) ?? [];
    console.log(`  ${name}: ${spread(own)} µs, ratio to classify ${spread(ratios(own, base))}`);
  }
}
