-- Health of a RecommenderModel for Argo CD. Put it into the ConfigMap argocd-cm under the key
-- resource.customizations.health.recommender.dev_RecommenderModel; see docs/gitops.md.
local health = {status = "Progressing", message = "waiting for the operator"}

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "being deleted"
  return health
end

local status = obj.status
if status == nil or status.conditions == nil
    or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function is(kind, value)
  return conditions[kind] ~= nil and conditions[kind].status == value
end

local function report(name, kind)
  health.status = name
  health.message = conditions[kind].message
  return health
end

if is("Stalled", "True") then
  return report("Degraded", "Stalled")
end
if status.champion ~= nil and is("Available", "False") then
  return report("Degraded", "Available")
end
if obj.spec ~= nil and obj.spec.paused and is("Progressing", "False") then
  return report("Suspended", "Progressing")
end
if is("Progressing", "True") then
  return report("Progressing", "Progressing")
end
if is("Ready", "True") then
  -- After a rollback the champion keeps serving; the message has the outcome of the candidate.
  return report("Healthy", "UpToDate")
end
if conditions["Ready"] ~= nil then
  health.message = conditions["Ready"].message
end
return health
