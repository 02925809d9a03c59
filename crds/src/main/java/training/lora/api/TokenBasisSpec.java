package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The span of names that the base model knows, in which new tokens begin (Celeb Basis, Yuan et al. 2023). */
@ValidationRule(
        value = "!has(self.components) || self.components < self.names.size()",
        message = "components must be less than the number of names",
        fieldPath = ".components")
public record TokenBasisSpec(
        @JsonPropertyDescription(
                "Names that the base model knows and draws well, such as those of well-known people for a face; some hundred are usual. A concept's first token begins among their first tokens, its second among their second, so that there must be names of as many tokens as count says, and each part of a name should be one token.")
        @Required
        @Size(min = 3, max = 2000) List<@Size(min = 1, max = 100) String> names,

        @JsonPropertyDescription(
                "Principal components of the names' embeddings that span the basis; 512 are usual with 700 names. Unset: all.")
        @Min(1) @Max(1999) @Nullable Integer components,

        @JsonPropertyDescription(
                "Whether the tokens stay in the basis while they are trained, so that they go on to be like names. Default true.")
        Boolean kept) {
    public TokenBasisSpec {
        names = names == null ? List.of() : List.copyOf(names);
        kept = orDefault(kept, true);
    }
}
