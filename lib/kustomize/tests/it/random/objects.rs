//! Random resource files: the kinds that kustomize knows things about, with odd scalars in odd styles.

use proptest::prelude::*;
use proptest::sample::select;

pub const NAMES: &[&str] = &["a", "b", "web", "db-1"];
pub const NAMESPACES: &[&str] = &["n1", "n2", "default"];

/// Values as they may stand behind `key: ` at any indentation.
pub const SCALARS: &[&str] = &[
    "x",
    "yes",
    "\"yes\"",
    "0777",
    "0o17",
    "1e3",
    "1_000",
    "~",
    "null",
    "\"\"",
    "''",
    "'it''s'",
    "2020-01-01",
    "2001-12-14t21:59:43.10-05:00",
    ".5",
    "0x1F",
    "!!str 5",
    "!!binary aGk=",
    "1.0",
    "12:30:45",
    "\"a\\tb\"",
    "\"\\u00e9\\u2028\"",
    "=",
    "-0",
    "+1",
    "9223372036854775808",
    "18446744073709551616",
    "true",
    "True",
    "on",
    "n",
    "\"true\"",
    "'null'",
    "\"12\"",
    "'#x'",
    "\"- x\"",
    "a#b",
    "-x",
    "1.5e-7",
    "0.1",
    "123456789.123",
    "a  b",
    "\"a\\nb\"",
    "\"a\\nb\\n\"",
    "\" lead\"",
    "\"trail \\n x\"",
    "\"multi\\n\\n\\n\"",
    "word word word word word word word word word word word word word word word word word word word end",
    "\"word: word word word word word word word word word word word word word word word word word end\"",
    "\"\\U0001F600\"",
    "http://x:80/y?a=b",
    "{}",
    "[]",
    "\"{a: 1}\"",
    "'@x'",
    "\"%x\"",
    "\"`x\"",
    "nginx:1.2@sha256:abc",
    "a,b",
    "\"a, b\"",
    "'a: b'",
    ".inf1",
    "0b11",
    "1__0",
    "0x",
    "0o8",
    "08",
    "1.",
    "+.5",
    "3:4",
    "!!int 3",
    "!!float 3",
    "x # a comment",
    "\"q\" # c",
];

/// Values that fit where kustomize wants a string.
pub const TEXTS: &[&str] = &[
    "x",
    "\"yes\"",
    "'5'",
    "\"\"",
    "a-b",
    "\"a\\nb\\n\"",
    "v1.2",
    "'null'",
    "\"2020-01-01\"",
    "\"é\"",
    "on",
    "!!str 1",
];

pub fn name() -> impl Strategy<Value = &'static str> {
    select(NAMES)
}

fn scalar() -> impl Strategy<Value = String> {
    let block = prop_oneof![
        Just("|\n@line one\n@  line two\n".to_string()),
        Just("|-\n@line one\n\n@line two".to_string()),
        Just("|+\n@line one\n\n".to_string()),
        Just(">\n@folded one\n@folded two\n\n@new\n".to_string()),
        Just(">-\n@folded one\n@  more\n@folded two".to_string()),
        Just("|2\n@  indented\n@less".to_string()),
        Just("\"a\n@b\n\n@c\"".to_string()),
        Just("plain one\n@plain two".to_string()),
    ];
    prop_oneof![6 => select(SCALARS).prop_map(str::to_string), 1 => block]
}

/// `key: value` pairs at an indentation.
fn pairs(indent: usize, max: usize) -> impl Strategy<Value = String> {
    let key = select(
        &[
            "k", "a.txt", "z_1", "10", "'9'", "\"true\"", "B", "k2", "k10", "x/y",
        ][..],
    );
    prop::collection::btree_map(key, scalar(), 1..=max).prop_map(move |map| {
        let pad = " ".repeat(indent);
        map.iter()
            .map(|(key, value)| {
                format!(
                    "{pad}{key}: {}\n",
                    value.replace('@', &format!("{pad}  ")).trim_end_matches(' ')
                )
            })
            .map(|line| line.replace("\n\n\n", "\n\n"))
            .collect()
    })
}

fn metadata() -> impl Strategy<Value = String> {
    let namespace = prop::option::weighted(0.4, select(NAMESPACES));
    let labels = prop::option::weighted(
        0.4,
        select(
            &[
                "app: web",
                "app: 'x'",
                "tier: \"1\"",
                "{app: web, n: \"5\"}",
                "app: null",
                "{}",
            ][..],
        ),
    );
    let annotations = prop::option::weighted(0.3, pairs(4, 2));
    (name(), namespace, labels, annotations).prop_map(|(name, namespace, labels, annotations)| {
        let mut text = format!("metadata:\n  name: {name}\n");
        if let Some(namespace) = namespace {
            text += &format!("  namespace: {namespace}\n");
        }
        if let Some(labels) = labels {
            text += &if labels.starts_with('{') {
                format!("  labels: {labels}\n")
            } else {
                format!("  labels:\n    {labels}\n")
            };
        }
        if let Some(annotations) = annotations {
            text += &format!("  annotations:\n{annotations}");
        }
        text
    })
}

fn container() -> impl Strategy<Value = String> {
    let image = select(
        &[
            "nginx",
            "nginx:1.2",
            "reg:5000/nginx:1",
            "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "busybox",
            "''",
        ][..],
    );
    let extra = prop::collection::vec(
        prop_oneof![
            (name(), name()).prop_map(|(a, b)| format!(
                "  env:\n  - name: A\n    valueFrom:\n      configMapKeyRef: {{name: {a}, key: k}}\n  - name: B\n    valueFrom:\n      secretKeyRef: {{name: {b}, key: k}}\n"
            )),
            scalar().prop_map(|value| format!("  env:\n  - name: V\n    value: {}\n", value.replace('@', "      "))),
            name().prop_map(|a| format!("  envFrom:\n  - configMapRef:\n      name: {a}\n")),
            Just("  ports:\n  - containerPort: 80\n    protocol: TCP\n  - containerPort: 80\n    protocol: UDP\n".to_string()),
            Just("  ports: [{containerPort: 8080, name: http}]\n".to_string()),
            Just("  args: [\"--x=$(A)\", '-v', 5]\n".to_string()),
            Just("  resources:\n    limits: {cpu: 1, memory: 1Gi}\n".to_string()),
            Just("  volumeMounts:\n  - mountPath: /x\n    name: v\n".to_string()),
        ],
        0..3,
    );
    (select(&["app", "side", "x"][..]), image, extra).prop_map(|(name, image, mut extra)| {
        extra.sort();
        extra.dedup_by_key(|text| text.split(':').next().map(str::to_string));
        format!("- name: {name}\n  image: {image}\n{}", extra.concat())
    })
}

fn indented(text: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    text.lines()
        .map(|line| {
            if line.is_empty() {
                "\n".to_string()
            } else {
                format!("{pad}{line}\n")
            }
        })
        .collect()
}

fn pod(indent: usize) -> impl Strategy<Value = String> {
    let volumes = prop::collection::vec(
        prop_oneof![
            name().prop_map(|a| format!("- name: v\n  configMap: {{name: {a}}}\n")),
            name().prop_map(|a| format!("- name: s\n  secret:\n    secretName: {a}\n")),
            name().prop_map(|a| format!("- name: p\n  persistentVolumeClaim: {{claimName: {a}}}\n")),
            (name(), name()).prop_map(|(a, b)| format!("- name: j\n  projected:\n    sources:\n    - configMap: {{name: {a}}}\n    - secret: {{name: {b}}}\n")),
            Just("- name: e\n  emptyDir: {}\n".to_string()),
        ],
        0..3,
    );
    let account = prop::option::weighted(0.3, name());
    (
        prop::collection::vec(container(), 0..3),
        prop::option::weighted(0.2, container()),
        volumes,
        account,
    )
        .prop_map(move |(containers, init, volumes, account)| {
            let mut text = String::new();
            if let Some(account) = account {
                text += &format!("serviceAccountName: {account}\n");
            }
            if let Some(init) = init {
                text += &format!("initContainers:\n{init}");
            }
            if !containers.is_empty() {
                text += &format!("containers:\n{}", containers.concat());
            }
            if !volumes.is_empty() {
                text += &format!("volumes:\n{}", volumes.concat());
            }
            if text.is_empty() {
                text = "restartPolicy: Always\n".to_string();
            }
            indented(&text, indent)
        })
}

fn workload() -> impl Strategy<Value = String> {
    let head = select(
        &[
            "apps/v1 Deployment",
            "apps/v1 StatefulSet",
            "apps/v1 DaemonSet",
            "batch/v1 Job",
            "apps/v1beta1 Deployment",
        ][..],
    );
    let spec = prop::collection::vec(
        prop_oneof![
            Just("  replicas: 1\n".to_string()),
            Just("  selector:\n    matchLabels: {app: web}\n".to_string()),
            Just("  serviceName: web\n".to_string()),
            Just("  strategy: {type: Recreate}\n".to_string()),
            name().prop_map(|a| format!("  volumeClaimTemplates:\n  - metadata: {{name: {a}}}\n    spec: {{accessModes: [ReadWriteOnce]}}\n")),
        ],
        0..3,
    );
    (head, metadata(), spec, prop::bool::ANY, pod(6)).prop_map(|(head, metadata, mut spec, labels, pod)| {
        let (version, kind) = head.split_once(' ').unwrap();
        spec.sort();
        spec.dedup_by_key(|text| text.split(':').next().map(str::to_string));
        let labels = if labels {
            "    metadata:\n      labels: {app: web}\n"
        } else {
            ""
        };
        format!(
            "apiVersion: {version}\nkind: {kind}\n{metadata}spec:\n{}  template:\n{labels}    spec:\n{pod}",
            spec.concat()
        )
    })
}

fn other() -> impl Strategy<Value = String> {
    let data = select(&["ConfigMap", "Secret"][..]);
    let pairs_of = (data, metadata(), prop::option::of(pairs(2, 4))).prop_map(|(kind, metadata, data)| {
        let data = data.map_or(String::new(), |data| format!("data:\n{data}"));
        format!("apiVersion: v1\nkind: {kind}\n{metadata}{data}")
    });
    let custom = (metadata(), pairs(2, 4)).prop_map(|(metadata, spec)| {
        format!("apiVersion: example.com/v1\nkind: Widget\n{metadata}spec:\n{spec}")
    });
    let simple = (
        select(
            &[
                "v1 ServiceAccount",
                "v1 Namespace",
                "v1 PersistentVolumeClaim",
                "apiextensions.k8s.io/v1 CustomResourceDefinition",
                "rbac.authorization.k8s.io/v1 Role",
                "rbac.authorization.k8s.io/v1 ClusterRole",
                "v1 PersistentVolume",
                "storage.k8s.io/v1 StorageClass",
                "scheduling.k8s.io/v1 PriorityClass",
                "example.com/v1 Gadget",
            ][..],
        ),
        metadata(),
    )
        .prop_map(|(head, metadata)| {
            let (version, kind) = head.split_once(' ').unwrap();
            format!("apiVersion: {version}\nkind: {kind}\n{metadata}")
        });
    let service = (metadata(), prop::bool::ANY).prop_map(|(metadata, ports)| {
        let ports = if ports {
            "  ports:\n  - {port: 80, name: http}\n  - {port: 80, protocol: UDP}\n"
        } else {
            ""
        };
        format!("apiVersion: v1\nkind: Service\n{metadata}spec:\n  selector: {{app: web}}\n{ports}")
    });
    let binding = (prop::bool::ANY, metadata(), name(), name(), select(&["Role", "ClusterRole"][..]), prop::option::of(select(NAMESPACES)))
        .prop_map(|(cluster, metadata, role, account, kind, namespace)| {
            let binding = if cluster { "ClusterRoleBinding" } else { "RoleBinding" };
            let namespace = namespace.map_or(String::new(), |n| format!("\n  namespace: {n}"));
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {binding}\n{metadata}roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {role}}}\nsubjects:\n- kind: ServiceAccount\n  name: {account}{namespace}\n"
            )
        });
    let ingress = (metadata(), name(), name()).prop_map(|(metadata, service, secret)| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\n{metadata}spec:\n  tls: [{{secretName: {secret}}}]\n  rules:\n  - http:\n      paths:\n      - path: /\n        backend: {{service: {{name: {service}, port: {{number: 80}}}}}}\n"
        )
    });
    let scaler = (metadata(), name(), select(&["Deployment", "StatefulSet"][..])).prop_map(|(metadata, name, kind)| {
        format!("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n{metadata}spec:\n  scaleTargetRef: {{kind: {kind}, name: {name}}}\n")
    });
    let webhook = (metadata(), name(), select(NAMESPACES)).prop_map(|(metadata, name, namespace)| {
        format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n{metadata}webhooks:\n- name: x\n  clientConfig: {{service: {{name: {name}, namespace: {namespace}}}}}\n"
        )
    });
    let cron = (metadata(), pod(10)).prop_map(|(metadata, pod)| {
        format!("apiVersion: batch/v1\nkind: CronJob\n{metadata}spec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n{pod}")
    });
    prop_oneof![4 => pairs_of, 2 => custom, 3 => simple, 2 => service, 2 => binding, 1 => ingress, 1 => scaler, 1 => webhook, 1 => cron]
}

/// One resource file of one to three objects.
pub fn file() -> impl Strategy<Value = String> {
    let object = prop_oneof![2 => workload(), 3 => other()];
    prop::collection::vec(object, 1..3).prop_map(|objects| objects.join("---\n"))
}
