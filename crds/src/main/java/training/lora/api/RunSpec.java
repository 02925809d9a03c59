package training.lora.api;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What the operator mounts for the trainer: the resource's spec with every default, and whose run it is.
 *
 * @param version {@link #VERSION}
 * @param owner the resource
 * @param runId {@link #runId} of owner and spec
 * @param spec the spec
 */
public record RunSpec(String version, Owner owner, String runId, LoraTrainingSpec spec) {
    /** Version of this file's JSON. */
    public static final String VERSION = "lora.training/run/v1";

    /** The run of a resource. */
    public static RunSpec of(String namespace, String name, LoraTrainingSpec spec) {
        Owner owner = new Owner(namespace, name);
        return new RunSpec(VERSION, owner, runId(owner, spec), spec);
    }

    /**
     * Identity of a run: 16 hex digits of the sha256 over its owner and what its result depends on (not over suspend,
     * tracking, runtime, retries, deadlines, TTL and the names of Secrets), in JSON with sorted keys.
     */
    public static String runId(Owner owner, LoraTrainingSpec spec) {
        ObjectNode node = withoutSecrets(spec);
        for (String field : new String[] {
            "suspend",
            "tracking",
            "runtime",
            "retries",
            "activeDeadlineSeconds",
            "startDeadlineSeconds",
            "ttlSecondsAfterFinished"
        }) {
            node.remove(field);
        }
        return TextDigest.sha256(owner.namespace() + "/" + owner.name() + "\n" + Json.sorted(node))
                .substring(0, 16);
    }

    /** The spec as others may read it, without signatures and tokens in the queries of urls. */
    public LoraTrainingSpec shown() {
        ObjectNode node = Json.MAPPER.valueToTree(spec);
        Uris.hideSecrets(node);
        return Json.MAPPER.convertValue(node, LoraTrainingSpec.class);
    }

    /** The spec's JSON without the names of Secrets, which open places and change no result. */
    public static ObjectNode withoutSecrets(LoraTrainingSpec spec) {
        ObjectNode node = Json.MAPPER.valueToTree(spec);
        node.findParents("secretRef").forEach(parent -> ((ObjectNode) parent).remove("secretRef"));
        return node;
    }
}
