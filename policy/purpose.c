/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of HL7's value set PurposeOfUse. A policy that misspells one would allow what nobody
 * asks for, or deny what everybody does, so only these may be listed. Must not know what a code
 * means to a rule. */
#include "policy/purpose.h"

/* http://terminology.hl7.org/ValueSet/v3-PurposeOfUse, version 3.1.0 (OID
 * 2.16.840.1.113883.1.11.20448): all 62 concepts below PurposeOfUse in the code system ActReason.
 * Operations, then payment, research, the patient's own request, public health, treatment. HL7
 * Terminology is dedicated to the public (CC0). */
static const char *const codes[] = {
    "HMARKT",     "HOPERAT",     "CAREMGT",   "DONAT",    "FRAUD",    "GOV",      "HACCRED",
    "HCOMPL",     "HDECD",       "HDIRECT",   "HDM",      "HLEGAL",   "HOUTCOMS", "HPRGRP",
    "HQUALIMP",   "HSYSADMIN",   "LABELING",  "METAMGT",  "MEMADMIN", "MILCDM",   "PATADMIN",
    "PATSFTY",    "PERFMSR",     "RECORDMGT", "SYSDEV",   "HTEST",    "TRAIN",    "MLTRAINING",
    "HPAYMT",     "CLMATTCH",    "COVAUTH",   "COVERAGE", "ELIGDTRM", "ELIGVER",  "ENROLLM",
    "MILDCRG",    "REMITADV",    "PMTDS",     "HRESCH",   "BIORCH",   "CLINTRCH", "CLINTRCHNPC",
    "CLINTRCHPC", "PRECLINTRCH", "DSRCH",     "POARCH",   "TRANSRCH", "PATRQT",   "FAMRQT",
    "PWATRNY",    "SUPNWK",      "PUBHLTH",   "DISASTER", "THREAT",   "TREAT",    "CLINTRL",
    "COC",        "ETREAT",      "BTG",       "ERTREAT",  "POPHLTH",  "TREATDS",
};

bool ward_purpose_known(struct ward_bytes code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (ward_bytes_eq(code, ward_bytes_str(codes[i]))) {
            return true;
        }
    }
    return false;
}
