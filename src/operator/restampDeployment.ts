// Pods hold tokens of the very ServiceAccount that existed when they started. One that is deleted and made again leaves them
// without any right, and the kubelet does not fetch another token for most of an hour. A Deployment whose account is younger
// than itself therefore carries the account's uid in its template, which replaces its pods in order.

import type { Deployment, ServiceAccount } from '../kube/resources.ts';
import type { Manifest } from '../plan/observed.ts';

/** Where the uid is kept in the template of the pods. */
export const accountAnnotation = 'replica-manager.io/service-account-uid';

type Template = NonNullable<Deployment['spec']>['template'];

/** The desired object, with the uid of its account if that was made again behind the Deployment's back. */
export function restampDeployment(
  desired: Manifest,
  deployments: readonly Deployment[],
  accounts: readonly ServiceAccount[],
): Manifest {
  const live = deployments.find(
    (it) => it.kind === desired.kind && it.metadata.name === desired.metadata.name,
  );
  if (live === undefined) return desired;
  const { spec } = desired as Manifest & { readonly spec: { readonly template: Template } };
  const name = spec.template.spec?.serviceAccountName;
  const uid = youngerAccount(
    live,
    accounts.find((it) => it.metadata.name === name),
  );
  if (uid === undefined) return desired;
  const annotations = { ...spec.template.metadata?.annotations, [accountAnnotation]: uid };
  const metadata = { ...spec.template.metadata, annotations };
  const stamped = { ...desired, spec: { ...spec, template: { ...spec.template, metadata } } };
  return stamped;
}

/** While the account is missing what was said last stays, so that its pods are replaced once and not twice. */
function youngerAccount(
  { metadata, spec }: Deployment,
  account: ServiceAccount | undefined,
): string | undefined {
  if (account === undefined) return spec?.template.metadata?.annotations?.[accountAnnotation];
  const isYounger = Date.parse(account.metadata.creationTimestamp) > Date.parse(metadata.creationTimestamp);
  return isYounger ? account.metadata.uid : undefined;
}
