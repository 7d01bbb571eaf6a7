import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, expect, test } from 'vitest';
import { clientFromKubeConfig } from '../../src/kube/clientFromKubeConfig.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { json, ScriptedApiServer } from '../fixtures/scriptedApiServer.ts';
import { makeCertificates } from '../fixtures/temporaryCertificates.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function connect(user: object) {
  const api = await ScriptedApiServer.start({ tls: true });
  api.answerAlways(json({}));
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    clusters: [{ name: 'c', server: api.url.origin, caData: base64(api.ca ?? '') }],
    users: [{ name: 'u', ...user }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  const client = clientFromKubeConfig(kubeConfig, {
    clock: new ManualClock(),
    version: '1.2.3',
    component: 'operator',
  });
  endings.push(async () => {
    client.close();
    await api.close();
  });
  return { api, client };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

test('a token of the kubeconfig is sent, and its authority trusted', async () => {
  const { api, client } = await connect({ token: 'secret' });

  await client.request({ method: 'GET', path: '/version' });

  expect(api.requests[0]?.headers).toMatchObject({
    authorization: 'Bearer secret',
    'user-agent': 'replica-manager/1.2.3 (operator)',
  });
});

test('a user name with a password is sent as such', async () => {
  const { api, client } = await connect({ username: 'me', password: 'secret' });

  await client.request({ method: 'GET', path: '/version' });

  expect(api.requests[0]?.headers.authorization).toBe(`Basic ${base64('me:secret')}`);
});

test('with a client certificate 200 requests share at most four connections', async () => {
  const { cert, key } = await makeCertificates();
  const { api, client } = await connect({ certData: base64(cert), keyData: base64(key) });

  const requestFifty = async () => {
    for (let i = 0; i < 50; i += 1) await client.request({ method: 'GET', path: '/version' });
  };
  await Promise.all([requestFifty(), requestFifty(), requestFifty(), requestFifty()]);

  expect(api.requests.length).toBe(200);
  expect(api.connectionCount).toBeLessThanOrEqual(4);
});

test('a kubeconfig without a cluster is refused with what to do', () => {
  const options = { clock: new ManualClock(), version: '1.2.3', component: 'operator' };

  expect(() => clientFromKubeConfig(new KubeConfig(), options)).toThrow(
    'the kubeconfig names no current cluster: set KUBECONFIG or choose a context',
  );
});
