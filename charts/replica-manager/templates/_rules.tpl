{{- /*
What the operator may do in the namespaces of topologies. test/system/rbac.test.ts compares it with what the operator
did. Agents and poolers get a part of it: nobody can grant a right that he has not got himself.
*/ -}}
{{- define "replica-manager.topologyRules" -}}
- apiGroups: [replica-manager.io]
  resources: [replicatedpostgreses]
  verbs: [get, list, watch, patch]
- apiGroups: [replica-manager.io]
  resources: [replicatedpostgreses/status]
  verbs: [patch]
# Some clusters ask for this before an object may have an owner that waits for it.
- apiGroups: [replica-manager.io]
  resources: [replicatedpostgreses/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps, secrets, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# The Lease of a topology is written by its agents; the operator reads it and grants them the rest.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
