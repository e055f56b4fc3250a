{{- /* Grafana's JSON of a dashboard from its short form in files/dashboards: rows of three panels. */ -}}
{{- define "recommender-operator.dashboard" -}}
{{- $panels := list -}}
{{- $id := 0 -}}
{{- $y := 0 -}}
{{- range $row := .rows -}}
  {{- $id = add1 $id -}}
  {{- $panels = append $panels (dict "id" $id "type" "row" "title" $row.title "collapsed" false "panels" list "gridPos" (dict "h" 1 "w" 24 "x" 0 "y" $y)) -}}
  {{- $y = add1 $y -}}
  {{- range $index, $panel := $row.panels -}}
    {{- $id = add1 $id -}}
    {{- $place := dict "h" 8 "w" 8 "x" (mul 8 (mod $index 3)) "y" (add $y (mul 8 (div $index 3))) -}}
    {{- $panels = append $panels (include "recommender-operator.panel" (dict "panel" $panel "id" $id "place" $place) | fromJson) -}}
  {{- end -}}
  {{- $y = add $y (mul 8 (div (add (len $row.panels) 2) 3)) -}}
{{- end -}}
{{- $source := dict "name" "datasource" "label" "Data source" "type" "datasource" "query" "prometheus" -}}
{{- $variables := list $source -}}
{{- range .variables -}}
  {{- $variables = append $variables (include "recommender-operator.variable" . | fromJson) -}}
{{- end -}}
{{- dict
  "uid" .uid "title" .title "description" .description "tags" (list "recommender")
  "schemaVersion" 39 "editable" true "graphTooltip" 1 "timezone" "browser" "refresh" "30s"
  "time" (dict "from" "now-3h" "to" "now")
  "templating" (dict "list" $variables)
  "panels" $panels
  | toPrettyJson -}}
{{- end -}}

{{- define "recommender-operator.dashboardSource" -}}
{{- dict "type" "prometheus" "uid" "${datasource}" | toJson -}}
{{- end -}}

{{- define "recommender-operator.panel" -}}
{{- $source := include "recommender-operator.dashboardSource" . | fromJson -}}
{{- $targets := list -}}
{{- range $index, $query := .panel.queries -}}
  {{- $targets = append $targets (dict "refId" (printf "%c" (add 65 $index)) "datasource" $source "expr" $query.expr "legendFormat" ($query.legend | default "")) -}}
{{- end -}}
{{- $type := .panel.type | default "timeseries" -}}
{{- $options := dict "legend" (dict "displayMode" "list" "placement" "bottom" "showLegend" true) "tooltip" (dict "mode" "multi" "sort" "desc") -}}
{{- if eq $type "stat" -}}
  {{- $options = dict "colorMode" "none" "graphMode" "none" "textMode" "value_and_name" "reduceOptions" (dict "calcs" (list "lastNotNull") "fields" "" "values" false) -}}
{{- end -}}
{{- dict
  "id" .id "type" $type "title" .panel.title "description" (.panel.description | default "")
  "datasource" $source "gridPos" .place "targets" $targets "options" $options
  "fieldConfig" (dict "defaults" (dict "unit" (.panel.unit | default "short")) "overrides" list)
  | toJson -}}
{{- end -}}

{{- /* A choice of values of a label; all of them at first. */ -}}
{{- define "recommender-operator.variable" -}}
{{- $source := include "recommender-operator.dashboardSource" . | fromJson -}}
{{- $all := dict "selected" true "text" (list "All") "value" (list "$__all") -}}
{{- dict
  "name" .name "type" "query" "datasource" $source "definition" .query
  "query" (dict "query" .query "refId" .name)
  "refresh" 2 "sort" 1 "includeAll" true "multi" true "current" $all
  | toJson -}}
{{- end -}}
