/** The certificate that trainers know the operator by: made, renewed, shared between replicas and told to namespaces. */
@NullMarked
package training.lora.operator.tls;

import org.jspecify.annotations.NullMarked;
