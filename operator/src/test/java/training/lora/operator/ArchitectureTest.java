package training.lora.operator;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

@AnalyzeClasses(packages = "training.lora", importOptions = ImportOption.DoNotIncludeTests.class)
final class ArchitectureTest {
    @ArchTest
    static final ArchRule PLAN_HAS_NO_CLIENT_AND_NO_CLOCK = noClasses()
            .that()
            .resideInAPackage("training.lora.operator.plan..")
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("java.time.Clock")
            .orShould()
            .dependOnClassesThat()
            .haveFullyQualifiedName("io.fabric8.kubernetes.client.KubernetesClient")
            .orShould()
            .dependOnClassesThat()
            .resideInAnyPackage(
                    "io.fabric8.kubernetes.client.dsl..",
                    "io.javaoperatorsdk..",
                    "io.quarkus..",
                    "training.lora.operator.reconcile..",
                    "training.lora.operator.progress..");

    @ArchTest
    static final ArchRule OPERATOR_KNOWS_ONLY_THE_API = noClasses()
            .that()
            .resideInAPackage("training.lora.operator..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("training.lora.trainer..", "training.lora.local..", "ai.djl..");
}
