//! The default templates, under the names that users' files refer to.

pub(crate) const DEFAULTS: &str = r#"
{{- define "__alertmanager" }}Lapwing{{ end }}
{{- define "__alertmanagerURL" }}{{ if .ExternalURL }}{{ .ExternalURL }}/#/alerts?receiver={{ .Receiver | urlquery }}{{ end }}{{ end }}
{{- define "__subject" }}[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] {{ .GroupLabels.SortedPairs.Values | join " " }}{{ if gt (len .CommonLabels) (len .GroupLabels) }} ({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join " " }}{{ end }}){{ end }}{{ end }}
{{- define "__description" }}{{ end }}
{{- define "__text_alert_list" }}{{ range . }}Labels:
{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}Annotations:
{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}Source: {{ .GeneratorURL }}
{{ end }}{{ end }}
{{- define "__text_alert_list_markdown" }}{{ range . }}
Labels:
{{ range .Labels.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}
Annotations:
{{ range .Annotations.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}
Source: {{ .GeneratorURL }}
{{ end }}{{ end }}
{{- define "__lapwing_about" }}{{ with .Annotations.summary }}{{ . }}{{ else }}{{ with .Annotations.description }}{{ . }}{{ else }}{{ with .Annotations.message }}{{ . }}{{ end }}{{ end }}{{ end }}{{ end }}
{{- define "__lapwing_lines" }}{{ range .Alerts }}{{ .Status | toUpper }} {{ .Labels.alertname }}{{ with .Labels.instance }} on {{ . }}{{ end }} since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05 MST" }}{{ if eq .Status "resolved" }}, ended {{ .EndsAt.UTC.Format "15:04:05 MST" }}{{ end }}
{{ template "__lapwing_about" . }}{{ with .Annotations.runbook_url }}
Runbook: {{ . }}{{ end }}{{ with .GeneratorURL }}
Source: {{ . }}{{ end }}

{{ end }}{{ end }}
{{- define "slack.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "slack.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{- define "slack.default.fallback" }}{{ template "slack.default.title" . }}{{ if .ExternalURL }} | {{ template "slack.default.titlelink" . }}{{ end }}{{ end }}
{{- define "slack.default.callbackid" }}{{ end }}
{{- define "slack.default.pretext" }}{{ end }}
{{- define "slack.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{- define "slack.default.iconemoji" }}{{ end }}
{{- define "slack.default.iconurl" }}{{ end }}
{{- define "slack.default.text" }}{{ template "__lapwing_lines" . }}{{ end }}
{{- define "slack.default.footer" }}{{ end }}
{{- define "pagerduty.default.description" }}{{ template "__subject" . }}{{ end }}
{{- define "pagerduty.default.client" }}{{ template "__alertmanager" . }}{{ end }}
{{- define "pagerduty.default.clientURL" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{- define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end }}
{{- define "opsgenie.default.message" }}{{ template "__subject" . }}{{ end }}
{{- define "opsgenie.default.description" }}{{ .CommonAnnotations.SortedPairs.Values | join " " }}
{{ if gt (len .Alerts.Firing) 0 }}Alerts Firing:
{{ template "__text_alert_list" .Alerts.Firing }}{{ end }}{{ if gt (len .Alerts.Resolved) 0 }}Alerts Resolved:
{{ template "__text_alert_list" .Alerts.Resolved }}{{ end }}{{ end }}
{{- define "opsgenie.default.source" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{- define "email.default.subject" }}{{ template "__subject" . }}{{ end }}
{{- define "email.default.text" }}{{ template "__subject" . }}

{{ template "__lapwing_lines" . }}{{ .ExternalURL }}
{{ end }}
{{- define "email.default.html" }}<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{{ template "__subject" . }}</title></head>
<body style="font-family: sans-serif; color: #1a1a1a">
<h2 style="color: {{ if eq .Status "firing" }}#b00020{{ else }}#1b7f3b{{ end }}">{{ template "__subject" . }}</h2>
{{ range .Alerts }}<div style="margin: 0 0 16px; padding: 8px 12px; border-left: 4px solid {{ if eq .Status "firing" }}#b00020{{ else }}#1b7f3b{{ end }}">
<b>{{ .Labels.alertname }}</b> {{ .Status }} since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05 MST" }}<br>
{{ template "__lapwing_about" . }}
<table style="font-size: 13px">{{ range .Labels.SortedPairs }}<tr><td>{{ .Name }}</td><td>{{ .Value }}</td></tr>{{ end }}{{ range .Annotations.SortedPairs }}<tr><td><i>{{ .Name }}</i></td><td>{{ .Value }}</td></tr>{{ end }}</table>
{{ with .GeneratorURL }}<a href="{{ . }}">source</a>{{ end }}{{ with .Annotations.runbook_url }} <a href="{{ . }}">runbook</a>{{ end }}
</div>
{{ end }}<p><a href="{{ .ExternalURL }}">{{ template "__alertmanager" . }}</a></p>
</body></html>
{{ end }}
{{- define "msteamsv2.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "msteamsv2.default.text" }}{{ template "__lapwing_lines" . }}{{ end }}
{{- define "msteams.default.summary" }}{{ template "__subject" . }}{{ end }}
{{- define "msteams.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "msteams.default.text" }}{{ template "__lapwing_lines" . }}{{ end }}
{{- define "pushover.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "pushover.default.message" }}{{ .CommonAnnotations.SortedPairs.Values | join " " }}
{{ template "__lapwing_lines" . }}{{ end }}
{{- define "pushover.default.url" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{- define "victorops.default.state_message" }}{{ .CommonAnnotations.SortedPairs.Values | join " " }}
{{ if gt (len .Alerts.Firing) 0 }}Alerts Firing:
{{ template "__text_alert_list" .Alerts.Firing }}{{ end }}{{ if gt (len .Alerts.Resolved) 0 }}Alerts Resolved:
{{ template "__text_alert_list" .Alerts.Resolved }}{{ end }}{{ end }}
{{- define "victorops.default.entity_display_name" }}{{ template "__subject" . }}{{ end }}
{{- define "victorops.default.monitoring_tool" }}{{ template "__alertmanager" . }}{{ end }}
{{- define "webex.default.message" }}**{{ template "__subject" . }}**

{{ template "__lapwing_lines" . }}{{ end }}
{{- define "rocketchat.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "rocketchat.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{- define "rocketchat.default.text" }}{{ template "__lapwing_lines" . }}{{ end }}
{{- define "mattermost.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{- define "mattermost.default.color" }}{{ if eq .Status "firing" }}#d33f3f{{ else }}#3a9d5d{{ end }}{{ end }}
{{- define "mattermost.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "mattermost.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{- define "mattermost.default.fallback" }}{{ template "__subject" . }}{{ end }}
{{- define "mattermost.default.text" }}{{ template "__lapwing_lines" . }}{{ end }}
{{- define "discord.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "discord.default.content" }}{{ end }}
{{- define "discord.default.message" }}{{ template "__lapwing_lines" . }}{{ end }}
{{- define "telegram.default.message" }}{{ template "__subject" . }}
{{ template "__lapwing_lines" . }}{{ end }}
{{- define "ntfy.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "ntfy.default.message" }}{{ template "__lapwing_lines" . }}{{ end }}
{{- define "line.default.text" }}{{ template "__subject" . }}{{ range .Alerts }} [{{ .Status }} {{ .Labels.alertname }}: {{ template "__lapwing_about" . }}]{{ end }}{{ end }}
"#;
