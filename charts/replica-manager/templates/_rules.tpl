{{- /*
What the operator may do in the namespaces of topologies. test/system/rbac.test.ts compares it with what the operator
did. Agents and poolers get a part of it: nobody can grant a right that he has not got himself.
*/ -}}
{{- define "replica-manager.topologyRules" -}}
- apiGroups: [replica-manager.io]
  resources: [replicatedpostgreses]
  verbs: [list, watch]
- apiGroups: [replica-manager.io]
  resources: [replicatedpostgreses/status]
  verbs: [patch]
# Objects of a topology hold up its deletion until they are gone; some clusters ask for this before they may.
- apiGroups: [replica-manager.io]
  resources: [replicatedpostgreses/finalizers]
  verbs: [update]
# What no watch has shown is looked for before it is made, so that nobody else's object is written over.
# What may become surplus when a spec changes, and is deleted then. The rest goes with its owner.
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# Agents and poolers get their own documents.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, patch, delete]
# Agents get the pods of their topology.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# The Lease of a topology is written by its agents; the operator only reads it.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
