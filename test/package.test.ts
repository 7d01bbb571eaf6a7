// The packed library, installed as a stranger would: an empty folder, the tarball, `pg` beside it.

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startService } from './fixtures/serviceProcess.ts';

const root = dirname(import.meta.dirname);
const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'replica-manager-package-'));
const application = join(folder, 'application');
let tarball = '';

/** Standard output and the exit code of a program; what it prints on standard error comes after. */
async function run(program: string, args: readonly string[], cwd = application) {
  const path = `${dirname(process.execPath)}:${process.env['PATH']}`;
  const bin = join(root, 'node_modules', '.bin');
  const env = { ...process.env, PATH: `${bin}:${path}`, NODE_OPTIONS: '' };
  return promisify(execFile)(program, [...args], { cwd, env }).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      output: error.stdout + error.stderr,
    }),
  );
}

const runModule = (source: string) => run('node', ['--input-type=module', '--eval', source]);

beforeAll(async () => {
  expect(await run(join(root, 'src/build/pack.sh'), [folder], root)).toMatchObject({ code: 0 });
  const name = readdirSync(folder).find((it) => it.endsWith('.tgz'));
  tarball = join(folder, name ?? 'there is no tarball');
  cpSync(join(root, 'examples/orders-app'), application, { recursive: true });
  writeFileSync(join(application, 'package.json'), '{"private": true, "type": "module"}');
  const versions = ['pg', '@types/pg'].map((it) => `${it}@${require(`${it}/package.json`).version}`);
  const how = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  expect(await run('npm', ['install', ...how, tarball, ...versions])).toMatchObject({ code: 0 });
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the tarball holds compiled code, types and texts, nothing else', async () => {
  const { output } = await run('tar', ['tzf', tarball]);
  const names = output.trim().split('\n');
  const unexpected = names.filter(
    (name) =>
      !/^package\/dist\/(router|service|endpoints|postgres|lib)\/([a-z]+\/)?[A-Za-z]+\.(js|d\.ts)$/.test(
        name,
      ) &&
      name !== 'package/dist/serviceMain.js' &&
      !/^package\/(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(name),
  );
  expect(unexpected).toEqual([]);
  expect(names).toContain('package/dist/router/index.js');
});

test('installing it brings nothing but pg and what pg needs', () => {
  const installed = readdirSync(join(application, 'node_modules')).filter((name) => !name.startsWith('.'));
  const unexpected = installed.filter(
    (name) => !/^(pg|pg-.*|pgpass|postgres-.*|split2|xtend|@types|undici-types|replica-manager)$/.test(name),
  );
  expect(unexpected).toEqual([]);
  expect(readdirSync(join(application, 'node_modules/@types')).toSorted()).toEqual(['node', 'pg']);
});

test('it works from JavaScript, and importing it opens and needs nothing', async () => {
  const source = `
    import { createReplicaManager, replicaManager, RouterError } from 'replica-manager';
    import { parseEndpoints } from 'replica-manager/endpoints';
    const manager = createReplicaManager({ endpointsFile: '/nowhere', firstDocumentTimeoutMs: 10 });
    const error = await manager.routeQuery('SELECT', 'SELECT 1').catch((it) => it);
    await manager.end();
    console.log(error instanceof RouterError, error.code, typeof replicaManager.routeQuery, typeof parseEndpoints);`;
  expect(await runModule(source)).toEqual({ code: 0, output: 'true RPG_NO_ENDPOINTS function function\n' });
});

test('it can be required, too', async () => {
  const source = `console.log(Object.keys(require('replica-manager')).toSorted().join())`;
  expect(await run('node', ['--eval', source])).toEqual({
    code: 0,
    output:
      'Classifier,RoutedPool,RouterError,classify,createReplicaManager,currentScope,explainStatement,fileSource,httpSource,readRouterEnvironment,replicaManager,runInScope,scopePerFastifyRequest,scopePerRequest,staticSource,tokenHeader\n',
  });
});

test('an error is recognised when an application has loaded the library twice', async () => {
  cpSync(join(application, 'node_modules/replica-manager'), join(application, 'second'), { recursive: true });
  const source = `
    import { RouterError } from 'replica-manager';
    import { RouterError as Second } from './second/dist/router/index.js';
    console.log(Second !== RouterError, new Second('RPG_CLOSED', 'closed') instanceof RouterError);`;
  const result = await runModule(source);
  rmSync(join(application, 'second'), { recursive: true });
  expect(result).toEqual({ code: 0, output: 'true true\n' });
});

test('its program and its service run with nothing beside it but pg', async () => {
  const help = await run('npx', ['--no-install', 'replica-manager', '--help']);
  expect(help).toMatchObject({ code: 0, output: expect.stringContaining('replica-manager serve') });
  const wrong = await run('env', ['LOG_LEVEL=loud', 'npx', '--no-install', 'replica-manager', 'serve']);
  expect(wrong).toMatchObject({ code: 2, output: expect.stringContaining('LOG_LEVEL must be one of') });
  await using service = await startService({}, [
    join(application, 'node_modules/replica-manager/dist/serviceMain.js'),
  ]);
  const answers = ['/livez', '/readyz'].map((path) => fetch(service.url + path).then(({ status }) => status));
  expect(await Promise.all(answers)).toEqual([200, 503]);
  expect(await service.stop()).toBe(0);
  const source = `
    import { createServiceHandler } from 'replica-manager/service';
    import { replicaManager } from 'replica-manager';
    console.log(typeof createServiceHandler(replicaManager).close);`;
  expect(await runModule(source)).toEqual({ code: 0, output: 'function\n' });
});

test('a file inside the package is nobody’s to import', async () => {
  const { code, output } = await runModule(`import 'replica-manager/dist/router/instancePool.js';`);
  expect(code).toBe(1);
  expect(output).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
});

test('the example application and its strictest user compile against the packed types', async () => {
  writeFileSync(
    join(application, 'user.ts'),
    `import { replicaManager, RouterError, type ReplicaManagerStatus } from 'replica-manager';
     import { parseEndpoints, type EndpointsDocument } from 'replica-manager/endpoints';
     import { createServiceHandler } from 'replica-manager/service';
     import { kubernetesSource } from 'replica-manager/kubernetes';
     import { createServer } from 'node:http';
     const { rows } = await replicaManager.routeQuery<{ id: number }>('SELECT', 'SELECT 1 AS id', []);
     export const id: number | undefined = rows[0]?.id;
     export const document: EndpointsDocument = parseEndpoints('');
     export const status: ReplicaManagerStatus = replicaManager.status();
     export const server = createServer(createServiceHandler(replicaManager, { maxStreamClients: 10 }));
     export const source = () => kubernetesSource({ name: 'orders' });
     // @ts-expect-error a code that does not exist
     export const error = new RouterError('RPG_NONSENSE', '');
    `,
  );
  expect(await run('tsc', ['--project', '.', '--skipLibCheck', 'false'])).toEqual({ code: 0, output: '' });
});

test('the types resolve the same way for every kind of importer', async () => {
  const result = await run('attw', [tarball, '--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm']);
  expect(result).toMatchObject({ code: 0 });
});

test('publint has nothing to say', async () => {
  const result = await run('publint', ['run', tarball, '--strict']);
  expect(result).toMatchObject({ code: 0, output: expect.stringContaining('All good!') });
});
