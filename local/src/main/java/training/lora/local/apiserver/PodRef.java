package training.lora.local.apiserver;

/** A container of a pod; {@code container} is empty where the request did not name one. */
public record PodRef(String namespace, String pod, String container) {}
