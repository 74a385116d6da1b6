{{/* The labels that select pods: takes the root, the name and the component. They never change. */}}
{{- define "shop.selectorLabels" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 2 }}
{{- end }}

{{/* The labels of everything. */}}
{{- define "shop.commonLabels" -}}
app.kubernetes.io/part-of: shop
app.kubernetes.io/managed-by: seatrial
seatrial.dev/team: storefront
{{- end }}

{{/* The labels of pods: without the version, so that a release rolls only what it changes. */}}
{{- define "shop.podLabels" -}}
{{ include "shop.selectorLabels" . }}
{{ include "shop.commonLabels" (index . 0) }}
{{- end }}

{{/* The labels of objects. */}}
{{- define "shop.labels" -}}
{{ include "shop.podLabels" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
{{- end }}

{{/* An image from its repository, tag and digest. */}}
{{- define "shop.image" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{/* "yes" when everything of a list is in the cluster: takes the root and texts of API version, kind and name (or name/key). */}}
{{- define "shop.present" -}}
{{- $root := first . -}}
{{- $missing := false -}}
{{- range rest . -}}
  {{- $words := splitList " " . -}}
  {{- $name := splitList "/" (index $words 2) -}}
  {{- $found := lookup (index $words 0) (index $words 1) $root.Release.Namespace (first $name) -}}
  {{- if or (not $found) (and (gt (len $name) 1) (not (hasKey ($found.data | default dict) (last $name)))) -}}
    {{- $missing = true -}}
  {{- end -}}
{{- end -}}
{{- if not $missing }}yes{{ end -}}
{{- end }}
