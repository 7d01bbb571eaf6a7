// Statements for properties: grammatical queries made of names and functions that are easily mistaken, and
// well-known statements with some tokens changed. What joins the tokens is as varied as PostgreSQL allows.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Lexer } from '../../../src/router/classify/lexer.ts';
import { END, UNREADABLE } from '../../../src/router/classify/tokens.ts';

const corpus: readonly { sql: string }[] = JSON.parse(
  readFileSync('test/fixtures/routing-cases.json', 'utf8'),
);

/** Between them these use every clause in which a name may stand before a parenthesis without being called. */
export const elaborate = [
  'SELECT a, count(*) FILTER (WHERE b > 1) OVER (PARTITION BY c ORDER BY d ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t GROUP BY ROLLUP (a), CUBE (b), GROUPING SETS ((a), (b))',
  "SELECT * FROM t x(a, b) JOIN LATERAL (SELECT 1) y(c) ON true CROSS JOIN ROWS FROM (generate_series(1, 2), lower('x')) WITH ORDINALITY z(d, e, f)",
  "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t TABLESAMPLE bernoulli (10) REPEATABLE (1) WHERE a IN (SELECT b FROM u) AND NOT (b LIKE ANY (ARRAY['x'])) LIMIT (1) OFFSET (2)",
  'WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SEARCH DEPTH FIRST BY x SET o CYCLE x SET c USING p, b AS NOT MATERIALIZED (SELECT 2) SELECT * FROM a, b ORDER BY o FETCH FIRST (3) ROWS ONLY',
  "SELECT * FROM XMLTABLE(XMLNAMESPACES('u' AS z), '/a' PASSING x COLUMNS id int PATH '@id' DEFAULT 1, n FOR ORDINALITY) AS xt",
  "SELECT * FROM JSON_TABLE('[1]', '$[*]' PASSING 1 AS k COLUMNS (n FOR ORDINALITY, v varchar(5) PATH '$', NESTED PATH '$.x' COLUMNS (q numeric(3, 1) PATH '$')))",
  "SELECT CAST(x AS interval second(3)), x::character varying(10), x::timestamp(3) with time zone, interval '1' day, x::bit varying(3), CAST(y AS national character varying(3))",
  "SELECT extract(year FROM now()), trim(both 'x' from lower(a)), position('a' in b), overlay(a placing b from 1 for 2), substring(a from 1 for share), substring(a similar b escape c), collation for (a)",
  "SELECT DISTINCT ON (a, b) lower(c), (SELECT max(x) FROM t), ARRAY(SELECT 1), ROW(1, 2), (a).b, a[1:2], CASE WHEN a THEN lower(b) ELSE upper(c) END, a OPERATOR(pg_catalog.+) b, a AT TIME ZONE ('UTC'), EXISTS (SELECT 1), JSON_OBJECT('a' VALUE 1), xmlelement(name foo, xmlattributes(a as b), 'c') FROM t WINDOW w AS (ORDER BY a) ORDER BY a USING < NULLS LAST",
  "SELECT a FROM t WHERE (a, b) OVERLAPS (c, d) OR a ILIKE ('x') OR a NOT LIKE ('y') OR a SIMILAR TO ('x') GROUP BY DISTINCT ROLLUP (a) HAVING count(*) > (1)",
  'WITH x AS (SELECT 1) (SELECT * FROM x) ORDER BY 1',
  'WITH x AS (SELECT 1) VALUES (1), (2)',
  'SELECT * FROM ONLY (t), ONLY t x(a), s.t* y',
  'WITH x AS (INSERT INTO t VALUES (1) RETURNING *), y AS (UPDATE t SET a = 1 RETURNING a), z AS (DELETE FROM t RETURNING *), w AS (MERGE INTO t USING u ON a = b WHEN MATCHED THEN DELETE RETURNING *) SELECT * FROM x FOR NO KEY UPDATE',
  'SELECT app.lower(x), "lower"(x), pg_catalog.upper(x), first(x), rollup(a), cube(1), columns(x), value(y), key(z), rows(1), "Foo".bar(1), a.b.c(1) FROM f(1) WITH ORDINALITY q(a, b)',
  "SELECT 1 INTO x FROM t; SELECT U&\"d\\0061t\"(1), U&'x', E'a\\'b', $a$ b $a$, $1, B'1', X'1F', N'x', 1.5e3, 0x1f, 1_000",
];

function tokensOf(sql: string): string[] {
  const lexer = new Lexer(sql);
  const tokens: string[] = [];
  for (lexer.next(); lexer.kind !== END && lexer.kind !== UNREADABLE; lexer.next()) {
    tokens.push(sql.slice(lexer.start, lexer.end));
  }
  return tokens;
}

const statements = [...corpus.map(({ sql }) => sql), ...elaborate]
  .map(tokensOf)
  .filter((it) => it.length > 0);
const extraTokens =
  'update share no key for into with materialized not as values select table from where group by having rollup cube grouping sets over filter within first next rows range columns value zone time interval second varying character operator tablesample ordinality nextval lower "nextval" app pg_catalog using on distinct join lateral set search cycle escape like ilike insert delete merge fetch only passing document content overlaps collation treat'.split(
    ' ',
  );
const pool = [...new Set([...statements.flat(), ...extraTokens])];

const separator = fc.constantFrom(
  ' ',
  ' ',
  ' ',
  ' ',
  '\n',
  '\t',
  '/**/',
  ' /* a /* b */ */ ',
  ' --x\r',
  ' -- "y\n',
);

/** Tokens, joined by blanks, line ends and comments. */
function joined(tokens: fc.Arbitrary<readonly string[]>): fc.Arbitrary<string> {
  return fc
    .tuple(tokens, fc.array(separator, { minLength: 7, maxLength: 7 }))
    .map(([list, gaps]) => list.map((it, index) => `${it}${gaps[index % 7] ?? ' '}`).join(''));
}

const edit = fc.record({
  kind: fc.constantFrom('drop', 'insert', 'replace', 'copy'),
  at: fc.nat(200),
  token: fc.constantFrom(...pool),
  from: fc.constantFrom(...statements),
  length: fc.integer({ min: 1, max: 6 }),
});

/** A known statement with one to three changes; about one in eight is still grammatical. */
export const changedStatement: fc.Arbitrary<string> = joined(
  fc
    .tuple(fc.constantFrom(...statements), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([tokens, edits]) => {
      const changed = [...tokens];
      for (const { kind, at, token, from, length } of edits) {
        const place = at % (changed.length + 1);
        const piece = from.slice(at % from.length, (at % from.length) + length);
        if (kind === 'drop') changed.splice(place, 1);
        else if (kind === 'insert') changed.splice(place, 0, token);
        else if (kind === 'replace') changed.splice(place, 1, token);
        else changed.splice(place, 0, ...piece);
      }
      return changed;
    }),
);

const list = (...words: string[]): fc.Arbitrary<string[]> =>
  fc.constantFrom(...words.map((word) => word.split(' ')));
const column = list(
  'a',
  'update',
  'share',
  'k . nextval',
  '"nextval"',
  'value',
  't . for',
  'insert',
  'first',
  '"it""s"',
);
const safeCall = list(
  'lower',
  'pg_catalog . upper',
  'coalesce',
  'random',
  '"lower"',
  'md5',
  'greatest',
  'max',
);
const otherCall = list(
  'nextval',
  'pg_catalog . nextval',
  '"nextval"',
  'app . lower',
  'pg_advisory_lock',
  'mine',
  'first',
);

interface Parts {
  readonly expression: string[];
  readonly query: string[];
}

/**
 * Grammatical queries. `~` keeps two words together where libpg-query, unlike PostgreSQL, takes no comment. With `onlyReads` nothing in them writes,
 * locks or is unknown.
 */
export function query(onlyReads: boolean): fc.Arbitrary<string> {
  const call = onlyReads
    ? safeCall
    : fc.oneof({ weight: 6, arbitrary: safeCall }, { weight: 1, arbitrary: otherCall });
  const lock = onlyReads
    ? fc.constant<string[]>([])
    : fc.oneof(
        { weight: 12, arbitrary: fc.constant<string[]>([]) },
        list('for update', 'for no key update', 'for key share skip locked'),
      );
  const into = onlyReads
    ? fc.constant<string[]>([])
    : fc.oneof({ weight: 12, arbitrary: fc.constant<string[]>([]) }, list('into x', 'into temp table x'));
  const write = list(
    'insert into t values ( 1 ) returning *',
    'delete from t',
    'update t set a = 1 returning a',
  );
  const { query: made } = fc.letrec<Parts>((tie) => {
    const expression = tie('expression') as fc.Arbitrary<string[]>;
    const sub = tie('query') as fc.Arbitrary<string[]>;
    const glue = (...parts: (string | fc.Arbitrary<string[]>)[]) =>
      fc
        .tuple(
          ...parts.map((part) =>
            typeof part === 'string'
              ? fc.constant(part.split(' ').map((word) => word.replace('~', ' ')))
              : part,
          ),
        )
        .map((pieces) => pieces.flat());
    const body = onlyReads ? sub : fc.oneof({ weight: 6, arbitrary: sub }, { weight: 1, arbitrary: write });
    return {
      expression: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        column,
        list("'for update'", '$1', '1.5', "E'\\''", '$q$ ; delete $q$', 'null', "U&'x'"),
        glue(call, '(', expression, ')'),
        glue('(', expression, '+', expression, ') :: numeric ( 10 , 2 )'),
        glue('cast (', expression, 'as varchar ( 5 ) )'),
        glue('case when', expression, 'is null then', expression, 'else', expression, 'end'),
        glue('exists (', sub, ')'),
        glue(column, 'in (', sub, ')'),
        glue('array (', sub, ')'),
        glue('substring (', expression, 'from 1 for share )'),
        glue('count ( * ) filter ( where', expression, 'is null ) over ( partition by', expression, ')'),
      ),
      query: fc.oneof(
        { maxDepth: 2, withCrossShrink: true },
        glue('select', expression, 'as for', into, 'from t'),
        glue('select', expression, 'insert', 'from t where', expression, 'is null', lock),
        glue(
          'select distinct on (',
          expression,
          ')',
          expression,
          'from t x ( a ) , (',
          sub,
          ') as delete ( update )',
        ),
        glue(
          'with recursive update ( a ) as (',
          body,
          ') , delete as materialized (',
          body,
          ') select * from (',
          sub,
          ') z',
        ),
        glue('select * from ( (', sub, ') union all (', sub, ') order by 1 ) as z'),
        glue('select', expression, 'from t group by rollup (', column, ') , cube ( b )'),
        glue('values (', expression, ') , (', expression, ')'),
        glue(
          'select * from generate_series ( 1 ,',
          expression,
          ') with~ordinality g ( a , b ) limit (',
          expression,
          ')',
        ),
      ),
    };
  });
  return joined(made);
}
