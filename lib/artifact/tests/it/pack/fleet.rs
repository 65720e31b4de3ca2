//! The files of the conformance suite's `fleet` repository, whose artifact by Flux is known.

/// Paths and contents, as committed: before ignore rules.
pub(crate) const FLEET: &[(&str, &str)] = &[
    (
        ".github/workflows/ci.yaml",
        r#"on: push
"#,
    ),
    (
        ".sourceignore",
        r#"/docs/
*.md
"#,
    ),
    (
        "apps/badfield/a.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: broken}
spec: {replicas: many, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}
"#,
    ),
    (
        "apps/badkind/a.yaml",
        r#"apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {}
"#,
    ),
    (
        "apps/badkust/kustomization.yaml",
        r#"resources: [missing.yaml]
"#,
    ),
    (
        "apps/badyaml/a.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: x
 data: [
"#,
    ),
    (
        "apps/crd/cr.yaml",
        r#"apiVersion: conformance.dev/v1
kind: Gadget
metadata: {name: g}
spec: {a: 1}
"#,
    ),
    (
        "apps/crd/crd.yaml",
        r#"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.conformance.dev}
spec:
  group: conformance.dev
  names: {kind: Gadget, plural: gadgets, singular: gadget}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
"#,
    ),
    (
        "apps/dup/a.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: d}
data: {v: "1"}
"#,
    ),
    (
        "apps/dup/b.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: d}
data: {v: "2"}
"#,
    ),
    (
        "apps/empty/README.md",
        r#"nothing here
"#,
    ),
    (
        "apps/immutable/a.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: frozen}
immutable: true
data: {v: "1"}
"#,
    ),
    (
        "apps/job/a.yaml",
        r#"apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
"#,
    ),
    (
        "apps/kustom/kustomization.yaml",
        r#"apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../plain/config.yaml, web.yaml]
namePrefix: k-
labels: [{pairs: {team: a}, includeSelectors: false}]
configMapGenerator: [{name: gen, literals: [x=1]}]
images: [{name: nginx, newTag: "1.28"}]
"#,
    ),
    (
        "apps/kustom/web.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:1.27"}]}
"#,
    ),
    (
        "apps/pending/web.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: stuck, labels: {app: stuck}}
spec:
  replicas: 1
  selector: {matchLabels: {app: stuck}}
  template:
    metadata: {labels: {app: stuck}}
    spec: {nodeSelector: {no: where}, containers: [{name: main, image: "nginx:1.27"}]}
"#,
    ),
    (
        "apps/plain/README.md",
        r#"not a manifest
"#,
    ),
    (
        "apps/plain/config.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1", b: two}
"#,
    ),
    (
        "apps/plain/sub/deep.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: deep}
data: {}
"#,
    ),
    (
        "apps/plain/web.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:1.27"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}], selector: {app: web}}
"#,
    ),
    (
        "apps/prune/a.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: stays}
data: {}
"#,
    ),
    (
        "apps/prune/b.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: goes}
data: {}
"#,
    ),
    (
        "apps/prune/c.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: kept, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}
data: {}
"#,
    ),
    (
        "apps/rbac/a.yaml",
        r#"apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "conformance:reader"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: made-by-apply}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: inside, namespace: made-by-apply}
data: {}
"#,
    ),
    (
        "apps/ssa/a.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: once, annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}
data: {v: git}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ignored, annotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}}
data: {v: git}
"#,
    ),
    (
        "apps/strict/a.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: s}
data: {v: "${nowhere}"}
"#,
    ),
    (
        "apps/subst/a.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: s}
data: {region: "${region}", dflt: "${absent:=fallback}", esc: "$${region}", num: "${n}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: off, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}
data: {region: "${region}"}
"#,
    ),
    (
        "bin/tool.sh",
        r#"#!/bin/sh
"#,
    ),
    (
        "charts/web/Chart.yaml",
        r#"apiVersion: v2
name: web
version: 0.3.0
"#,
    ),
    (
        "charts/web/templates/cm.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-git}
data: {v: {{ .Values.replicas | quote }}}
"#,
    ),
    (
        "charts/web/values.yaml",
        r#"replicas: 1
"#,
    ),
    (
        "docs/x.yaml",
        r#"a: 1
"#,
    ),
    (
        "extra/one.yaml",
        r#"a: 1
"#,
    ),
    (
        "extra/two.yaml",
        r#"a: 2
"#,
    ),
    (
        "image.png",
        r#"png
"#,
    ),
];
