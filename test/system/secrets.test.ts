import { beforeAll, expect, test } from 'vitest';
import { getObject, kubectl, listObjects } from '../fixtures/kubectl.ts';
import { namespace, operatorNamespace, primaryName, readyTopology } from '../fixtures/topology.ts';

const decode = (base64 = '') => Buffer.from(base64, 'base64').toString('utf8');
const inPod = async (command: string) =>
  kubectl(['-n', namespace, 'exec', `${await primaryName()}-0`, '-c', 'postgres', '--', 'sh', '-c', command]);

beforeAll(async () => {
  await readyTopology();
});

test('the application logs in with its Secret, over TLS only', async () => {
  const secret = await getObject<{ data: Record<string, string> }>(namespace, 'secret', 'orders-app');
  const password = 'PGPASSWORD=$(cat /etc/replica-manager/secrets/app/password)';
  const login = `${password} psql "host=orders-primary user=${decode(secret?.data['username'])} dbname=${decode(secret?.data['database'])}`;

  expect(
    (
      await inPod(
        `${login} sslmode=verify-full sslrootcert=/etc/replica-manager/tls/ca.crt" -Atqc "select current_user"`,
      )
    ).trim(),
  ).toBe('app');
  await expect(inPod(`${login} sslmode=disable" -Atqc "select 1"`)).rejects.toThrow(
    /pg_hba|no encryption|rejects/,
  );
});

test('no password and no key appears in a log, an argument or an environment', async () => {
  const secrets = await listObjects<{ data: Record<string, string> }>(
    namespace,
    'secrets',
    'replica-manager.io/topology=orders',
  );
  const values = secrets.flatMap(({ data }) =>
    Object.entries(data)
      .filter(([key]) => key === 'password' || key === 'tls.key')
      .map(([key, value]) => (key === 'tls.key' ? (decode(value).split('\n')[1] ?? '') : decode(value))),
  );
  expect(values.length).toBeGreaterThanOrEqual(6);

  const places = [
    ...(await Promise.all(
      ['orders-1-0', 'orders-2-0'].map((pod) => kubectl(['-n', namespace, 'logs', pod, '--all-containers'])),
    )),
    await kubectl([
      '-n',
      namespace,
      'logs',
      '-l',
      'app.kubernetes.io/component=pooler',
      '--all-containers',
      '--tail=-1',
    ]),
    await kubectl([
      '-n',
      operatorNamespace,
      'logs',
      '-l',
      'app.kubernetes.io/name=replica-manager',
      '--tail=-1',
    ]),
    await kubectl(['-n', namespace, 'get', 'pods', '-o', 'yaml']),
    await inPod('cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"'),
  ];
  for (const value of values) {
    for (const text of places) expect(text.includes(value)).toBe(false);
  }
});

test('containers run without root, capabilities and a writable root file system', async () => {
  expect((await inPod('id -u')).trim()).toBe('999');
  expect((await inPod('grep CapEff /proc/self/status | cut -f2')).trim()).toBe('0000000000000000');
  await expect(inPod('touch /usr/x')).rejects.toThrow(/Read-only file system/);
});
