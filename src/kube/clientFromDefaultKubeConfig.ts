import type { KubeClient } from './client.ts';
import { clientFromKubeConfig, type KubeConfigOptions } from './clientFromKubeConfig.ts';

/**
 * A client for what KUBECONFIG, or ~/.kube/config, says.
 *
 * The library is loaded here and only here: a program that runs in a pod never needs it, and it takes 30 MB.
 */
export async function clientFromDefaultKubeConfig(options: KubeConfigOptions): Promise<KubeClient> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  return clientFromKubeConfig(kubeConfig, options);
}
