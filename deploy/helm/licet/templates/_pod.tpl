{{/* What every pod has: an ordinary user, no privileges, a disk that it cannot write, and the database's password in a file of its own. */}}

{{- define "licet.image" -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- end }}

{{- define "licet.labels" -}}
app.kubernetes.io/name: licet
app.kubernetes.io/part-of: licet
{{- end }}

{{- define "licet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch # Always would let the group into the folder of the keys
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "licet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "licet.pod" -}}
enableServiceLinks: false # else the Service's name becomes variables LICET_.., which are refused
automountServiceAccountToken: false
securityContext:
  {{- include "licet.podSecurity" . | nindent 2 }}
initContainers:
  - name: passfile # libpq takes a password's file only from its owner, and a mounted Secret belongs to root
    image: {{ include "licet.image" . }}
    command: [install, --mode=0600, /run/secrets/licet/pgpass, /run/licet/pgpass]
    securityContext:
      {{- include "licet.containerSecurity" . | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 64Mi}
      limits: {memory: 64Mi}
    volumeMounts:
      - {name: secrets, mountPath: /run/secrets/licet, readOnly: true}
      - {name: passfile, mountPath: /run/licet}
  {{- if .Values.store.url }}
  - name: folder # the pod's own data folder, with what is configured by files
    image: {{ include "licet.image" . }}
    command:
      - install
      - -D
      - --mode=0644
      - --target-directory=/var/lib/licet/data
      {{- range $name, $_ := include "licet.files" . | fromJson }}
      - /run/files/{{ $name }}
      {{- end }}
    securityContext:
      {{- include "licet.containerSecurity" . | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 64Mi}
      limits: {memory: 64Mi}
    volumeMounts:
      - {name: data, mountPath: /var/lib/licet}
      - {name: files, mountPath: /run/files, readOnly: true}
  {{- end }}
{{- end }}

{{/* What every host has in its data folder, by name; `files` of the values comes before what `controller` says. */}}
{{- define "licet.files" -}}
{{- merge (dict) .Values.files (dict "controller.yaml" (include "licet.controller" .)) | toJson }}
{{- end }}

{{- define "licet.controller" -}}
name: {{ .Values.controller.name | toJson }}
address: {{ .Values.controller.address | toJson }}
contact: {{ .Values.controller.contact | toJson }}
jurisdictions: {{ regexSplit "[, ]+" .Values.controller.jurisdiction -1 | compact | toJson }}
storage_locations: {{ regexSplit "[, ]+" .Values.controller.storage -1 | compact | toJson }}
{{- end }}

{{/* Where a pod may run. `component` is that of the pod. */}}
{{- define "licet.placement" -}}
{{- if .root.Values.store.url }}
{{- if eq .component "job" }}
affinity:
  podAffinity: # jobs on one node: the volume of backups is mounted by one node at a time
    requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector: {matchLabels: {app.kubernetes.io/part-of: licet, app.kubernetes.io/component: job}}
        topologyKey: kubernetes.io/hostname
{{- end }}
{{- else if ne .root.Values.volumes.accessMode "ReadWriteMany" }}
affinity:
  podAffinity: # all pods on one node: the data folder is mounted by one node at a time
    requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector: {matchLabels: {app.kubernetes.io/part-of: licet}}
        topologyKey: kubernetes.io/hostname
{{- end }}
{{- if and (eq .component "server") (gt (int .root.Values.server.replicas) 1) }}
topologySpreadConstraints: # a node that is lost takes one server with it
  - labelSelector: {matchLabels: {app.kubernetes.io/name: licet, app.kubernetes.io/component: server}}
    topologyKey: kubernetes.io/hostname
    maxSkew: 1
    whenUnsatisfiable: DoNotSchedule
    nodeTaintsPolicy: Honor # a node that is drained is none on which a server is missing
  - labelSelector: {matchLabels: {app.kubernetes.io/name: licet, app.kubernetes.io/component: server}}
    topologyKey: topology.kubernetes.io/zone
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
{{- end }}
{{- end }}

{{/* Refuses values with which an installation would lose keys or content, or never start. */}}
{{- define "licet.checked" -}}
{{- if .Values.store.url }}
{{- if eq .Values.keys.provider "file" }}
{{- fail "store.url is set, so each pod has a data folder of its own, and epoch keys must not be files in it: set keys.provider to bao or pkcs11 (docs/keys.md)" }}
{{- end }}
{{- if not .Values.store.accessKeyId }}
{{- fail "store.url is set without store.accessKeyId: its secret is the key `store_secret` of the Secret `secretName`" }}
{{- end }}
{{- else if and (gt (int .Values.server.replicas) 1) (ne .Values.volumes.accessMode "ReadWriteMany") }}
{{- fail "server.replicas is more than 1, and servers must share what they write: set store.url to a bucket, and keys.provider to bao or pkcs11; or set volumes.accessMode to ReadWriteMany, of a storage class that has it (docs/many-hosts.md)" }}
{{- end }}
{{- if and (eq .Values.keys.provider "bao") (not .Values.keys.address) }}
{{- fail "keys.provider is bao without keys.address, the https URL of OpenBao" }}
{{- end }}
{{- end }}

{{- define "licet.mounts" -}}
- {name: data, mountPath: /var/lib/licet}
- {name: secrets, mountPath: /run/secrets/licet, readOnly: true}
- {name: passfile, mountPath: /run/licet, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* `size` is that of a data folder of the pod's own; `claim` is a claim that outlives the pod. */}}
{{- define "licet.volumes" -}}
- name: data
{{- if hasKey . "claim" }}
  persistentVolumeClaim: {claimName: {{ .claim }}}
{{- else if .root.Values.store.url }}
  ephemeral: # copies of releases, spools: nothing that the bucket or the database lacks
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .root.Values.volumes.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ .size }}}}
{{- else }}
  persistentVolumeClaim: {claimName: licet-data}
{{- end }}
{{- if .root.Values.store.url }}
- name: files
  configMap: {name: licet-files}
{{- end }}
- name: secrets
  secret: {secretName: {{ .root.Values.secretName }}, defaultMode: 288} # 0440
- name: passfile
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end }}

{{/* A cron job. `root` is the chart's own context; `suspend` is for those that run only when somebody says so. */}}
{{- define "licet.cron" -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: licet-{{ .name }}
  labels:
    {{- include "licet.labels" .root | nindent 4 }}
spec:
  schedule: {{ .schedule | quote }}
  suspend: {{ hasKey . "suspend" }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 2
  failedJobsHistoryLimit: 5
  jobTemplate:
    spec:
      backoffLimit: {{ .backoffLimit }}
      activeDeadlineSeconds: {{ .deadlineSeconds }}
      template:
        metadata:
          labels:
            {{- include "licet.labels" .root | nindent 12 }}
            app.kubernetes.io/component: {{ .component }}
        spec:
          {{- include "licet.pod" .root | nindent 10 }}
          {{- include "licet.placement" . | nindent 10 }}
          restartPolicy: Never
          containers:
            - name: licet
              image: {{ include "licet.image" .root }}
              args:
                {{- toYaml .args | nindent 16 }}
              {{- if hasKey . "namedAsItsJob" }}
              env:
                - name: RELEASE
                  valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}
              {{- end }}
              envFrom:
                - configMapRef: {name: licet}
                {{- if hasKey . "namedAsItsJob" }}
                - configMapRef: {name: licet-build}
                {{- end }}
                {{- if hasKey . "asksController" }}
                - configMapRef: {name: licet-controller}
                {{- end }}
              securityContext:
                {{- include "licet.containerSecurity" .root | nindent 16 }}
              resources: # memory is limited to what is requested: such a container is not swapped, so keys reach no swap file
                requests: {cpu: 250m, memory: {{ .memory }}}
                limits: {memory: {{ .memory }}}
              volumeMounts:
                {{- include "licet.mounts" .root | nindent 16 }}
                {{- if hasKey . "hasBackups" }}
                - {name: backups, mountPath: /var/backups/licet}
                {{- end }}
          volumes:
            {{- include "licet.volumes" . | nindent 12 }}
            {{- if hasKey . "hasBackups" }}
            - name: backups
              persistentVolumeClaim: {claimName: licet-backups}
            {{- end }}
{{- end }}
