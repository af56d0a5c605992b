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
affinity:
  podAffinity: # all pods on one node: the data folder is mounted by one node at a time
    requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector: {matchLabels: {app.kubernetes.io/part-of: licet}}
        topologyKey: kubernetes.io/hostname
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
{{- end }}

{{- define "licet.mounts" -}}
- {name: data, mountPath: /var/lib/licet}
- {name: secrets, mountPath: /run/secrets/licet, readOnly: true}
- {name: passfile, mountPath: /run/licet, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "licet.volumes" -}}
- name: data
  persistentVolumeClaim: {claimName: licet-data}
- name: secrets
  secret: {secretName: {{ .Values.secretName }}, defaultMode: 288} # 0440
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
            app.kubernetes.io/component: {{ if hasKey . "component" }}{{ .component }}{{ else }}job{{ end }}
        spec:
          {{- include "licet.pod" .root | nindent 10 }}
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
            {{- include "licet.volumes" .root | nindent 12 }}
            {{- if hasKey . "hasBackups" }}
            - name: backups
              persistentVolumeClaim: {claimName: licet-backups}
            {{- end }}
{{- end }}
