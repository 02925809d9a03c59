package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.api.model.DefaultKubernetesResourceList;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.LoraTraining;
import training.lora.api.OptimizerType;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.PlanResult;
import training.lora.operator.plan.Stall;

final class TrainingModuleTest {
    private static final String SOURCES = "'baseModel':{'uri':'bundled://m'},'datasets':[{'uri':'pvc://a/b'}]";

    private final KubernetesSerialization serialization = serialization();

    private static KubernetesSerialization serialization() {
        ObjectMapper mapper = new ObjectMapper();
        KubernetesSerialization serialization = new KubernetesSerialization(mapper, true);
        mapper.disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
        mapper.registerModule(new TrainingModule());
        return serialization;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'training':{'optimizer':{'type':'Muon'}}|{}|`spec.training.optimizer.type` has the value \"Muon\","
                        + " which this version of the operator does not know (it knows AdamW",
                "'datasets':[{'uri':'a','role':'Distillation'}]|{}|`spec.datasets[0].role` has the value \"Distillation\"",
                "'retries':'many'|{}|`spec.retries` can't be read by this version of the operator",
                "'output':7|{}|`spec.output` can't be read by this version of the operator",
                "|{'stages':[{'name':'Publish','attempt':1,'jobName':'j'}]}|`status.stages[0].name` has the value \"Publish\"",
                "|{'stages':[{'name':'Train','attempt':1,'jobName':'j','reason':'NodeLost2'}]}|`status.stages[0].reason` has"
            })
    void anUnknownValueIsNamedAndStopsNoOtherResource(String spec, String status, String problem) throws Exception {
        String strange = object("strange", (spec == null ? "" : spec), status);
        String list = "{'apiVersion':'v1','kind':'List','items':[%s,%s]}"
                .formatted(strange, object("plain", "'retries':3", "{'runId':'abc'}"))
                .replace('\'', '"');

        List<LoraTraining> read = serialization.unmarshal(list, Trainings.class).getItems();

        assertThat(read).extracting(t -> t.getMetadata().getName()).containsExactly("strange", "plain");
        assertThat(read.get(1).getSpec().retries()).isEqualTo(3);
        assertThat(read.get(1).getStatus().runId()).isEqualTo("abc");
        assertThat(read.get(0)).isInstanceOfSatisfying(UnreadableTraining.class, t -> assertThat(t.problem())
                .startsWith(problem));
        assertThat(serialization.clone(read.get(0)).getMetadata().getName()).isEqualTo("strange");
    }

    @Test
    void whatIsKnownIsReadAsEver() {
        LoraTraining read = serialization.unmarshal(
                object("plain", "'training':{'optimizer':{'type':'Prodigy'}}", "{}")
                        .replace('\'', '"'),
                LoraTraining.class);

        assertThat(read).isNotInstanceOf(UnreadableTraining.class);
        assertThat(read.getSpec().training().optimizer().type()).isEqualTo(OptimizerType.Prodigy);
        assertThat(read.getMetadata().getManagedFields()).isNullOrEmpty();
        assertThat(read.getMetadata().getAnnotations()).containsOnlyKeys("kept");
    }

    @Test
    void onlyTheConditionsOfAnUnreadableResourceAreWrittenUnlessItIsFinished() {
        String running = "{'phase':'Train','stages':[{'name':'Publish'}],'conditions':[{'type':'Reconciling',"
                + "'status':'True','lastTransitionTime':'2026-01-01T00:00:00Z'}]}";

        PlanResult plan = plan(running);

        assertThat(plan.actions()).singleElement().isInstanceOfSatisfying(Action.WriteStatus.class, write -> {
            assertThat(StatusPatch.between(read(running).getStatus(), write.status())
                            .fieldNames())
                    .toIterable()
                    .containsExactlyInAnyOrder("conditions", "observedGeneration");
            assertThat(write.status().conditions())
                    .filteredOn(c -> "True".equals(c.getStatus()))
                    .singleElement()
                    .satisfies(c -> assertThat(c.getReason()).isEqualTo("UnknownValue"));
        });
        assertThat(plan(running.replace("Reconciling", "Complete")).actions()).isEmpty();
    }

    private PlanResult plan(String status) {
        UnreadableTraining training = (UnreadableTraining) read(status);
        return Stall.unreadable(training, training.problem(), Instant.parse("2026-01-01T00:00:00Z"));
    }

    private LoraTraining read(String status) {
        return serialization.unmarshal(object("strange", "", status).replace('\'', '"'), LoraTraining.class);
    }

    private static String object(String name, String spec, String status) {
        String fields = spec.isEmpty() ? SOURCES : spec.contains("datasets") ? spec : SOURCES + "," + spec;
        return ("{'apiVersion':'lora.training/v1alpha1','kind':'LoraTraining','metadata':{'name':'%s','generation':1,"
                        + "'managedFields':[{'manager':'kubectl'}],'annotations':{'kept':'yes',"
                        + "'kubectl.kubernetes.io/last-applied-configuration':'{}'}},'spec':{%s},'status':%s}")
                .formatted(name, fields, status);
    }

    private static final class Trainings extends DefaultKubernetesResourceList<LoraTraining> {
        private static final long serialVersionUID = 1;
    }
}
