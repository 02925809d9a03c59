-- Health of a LoraTraining for Argo CD: resource.customizations.health.lora.training_LoraTraining in the ConfigMap argocd-cm.
local hs = { status = "Progressing", message = "waits for the operator" }
if obj.status == nil or obj.status.conditions == nil then
  return hs
end
local observed = obj.status.observedGeneration
if observed ~= nil and obj.metadata.generation ~= nil and observed < obj.metadata.generation then
  return hs
end
local is = {}
for _, condition in ipairs(obj.status.conditions) do
  if condition.status == "True" then
    is[condition.type] = condition.message or condition.reason or condition.type
  end
end
if is.Complete ~= nil then
  return { status = "Healthy", message = is.Complete }
elseif is.Failed ~= nil then
  return { status = "Degraded", message = is.Failed }
elseif is.Suspended ~= nil then
  return { status = "Suspended", message = is.Suspended }
elseif is.AwaitingReview ~= nil then
  return { status = "Suspended", message = is.AwaitingReview }
elseif is.Stalled ~= nil then
  return { status = "Degraded", message = is.Stalled }
elseif is.Reconciling ~= nil then
  return { status = "Progressing", message = is.Reconciling }
end
return hs
