/** Runs Jobs of one pod by the rules of batch/v1: backoff, podFailurePolicy, suspension, deadline, TTL. */
@NullMarked
package training.lora.local.controller;

import org.jspecify.annotations.NullMarked;
